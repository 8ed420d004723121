// @ts-check
// No module, so that the page never shows in colours that were not chosen.
try {
  const theme = localStorage.getItem('darkroom.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset['theme'] = theme
} catch {
  // Storage may be forbidden: then the system's colours it is.
}
