// The search of the site's theme runs in a Worker, which browsers do not start in a page that was opened from a folder.
// There a hidden frame takes its place. The theme would fetch such a stand-in from elsewhere; it looks for this name.
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc =
        "<script>postMessage = parent.postMessage.bind(parent);" +
        "importScripts = (...all) => Promise.all(all.map((src) => new Promise((done) => " +
        "document.body.append(Object.assign(document.createElement('script'), { src, onload: done })))));<\/script>" +
        `<script src="${new URL(address, location.href)}"><\/script>`;
      this.ready = new Promise((done) => this.frame.addEventListener("load", done, { once: true }));
      addEventListener("message", (event) => {
        if (event.source === this.frame.contentWindow) this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      });
      document.body.append(this.frame);
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
