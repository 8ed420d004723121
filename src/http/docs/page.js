// Paths without a slash in front: the service may lie under a path of a proxy.
const answer = await fetch('openapi.json')
const spec = await answer.json()

SwaggerUIBundle({
  // Requests go to where this page came from, whatever name the service has for itself.
  spec: { ...spec, servers: [{ url: new URL('.', location.href).href.replace(/\/$/, '') }] },
  dom_id: '#reference',
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
})
