// @ts-check
import { App } from './app.js'
import { follow } from './events.js'
import { html, render } from './htm-preact.js'
import { key, keyDeclined } from './key.js'
import { loadModels, loadProvider } from './models.js'
import { load, lookAgain, shelf, take } from './shelf.js'

const lookEveryMs = 30_000

const page = document.getElementById('page')
if (page === null) throw new Error('the page is not the one that this belongs to')
render(html`<${App} />`, page)

/** Another key sees other jobs; without one, nothing of them stays on the page. */
key.on(() => {
  shelf.set({ ...shelf.get(), shown: [], jobs: new Map(), cursor: null, loaded: false })
  void load()
  void loadModels()
})

const look = () => {
  if (document.visibilityState === 'visible' && !keyDeclined.get()) void lookAgain()
}
setInterval(look, lookEveryMs)
document.addEventListener('visibilitychange', look)

/** After a restart the service may be another one, with other models, that charges. */
const learnService = () => {
  void loadModels()
  void loadProvider()
}
learnService()
void follow({
  onOpen() {
    learnService()
    void lookAgain()
  },
  onJob: take,
})
