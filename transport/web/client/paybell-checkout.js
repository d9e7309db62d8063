/* Paybell's checkout in a shop's own page: a button that opens it above the page.

   <script src="https://pay.example/web/paybell-checkout.js" defer></script>
   <a class="paybell-checkout" href="https://pay.example/pay/pay_…">Pay with bitcoin</a>

   Without a script the link simply leads there. The payment is made by the shop's server,
   whose merchant must have a return_url on this page's origin: only such pages may show
   the checkout in a frame, and are told how it stands. On the link, and up from there:

     paybell:state   detail {id, stage, status, isPaid}: at first, and whenever it moves
     paybell:close   the visitor closed it; detail as told last, or null

   From a script: PaybellCheckout.open(url, {onState, onClose}) returns {close()}.
   What is told here is for showing. Ship when your server is told, by a webhook. */
"use strict";
(() => {
  const DOUBLE_CLICK_MS = 500;
  const STYLE = {
    dialog: { position: "fixed", inset: "0", display: "grid", placeItems: "center", width: "100vw", maxWidth: "none",
      height: "100dvh", maxHeight: "none", margin: "0", padding: "3.5rem 0 0", border: "0", background: "#101412b3" },
    frame: { display: "block", width: "min(30rem, 100%)", height: "min(58rem, 100%)", border: "0",
      borderRadius: "1.25rem 1.25rem 0 0", colorScheme: "normal" },
    close: { position: "absolute", top: "0.375rem", right: "0.75rem", width: "2.75rem", height: "2.75rem",
      border: "0", borderRadius: "50%", background: "#17201d", color: "#fff", font: "1.5rem/1 system-ui, sans-serif", cursor: "pointer" },
  };

  function made(name, style, attributes = {}) {
    const element = document.createElement(name);
    Object.assign(element.style, style);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    return element;
  }

  function open(url, { onState, onClose, title = "Bitcoin payment", closeLabel = "Close" } = {}) {
    const { href, origin, protocol } = new URL(url, location.href);
    if (!/^https?:$/.test(protocol)) throw new TypeError("the checkout's URL is http or https");
    const dialog = made("dialog", STYLE.dialog, { "aria-label": title });
    const frame = made("iframe", STYLE.frame, { title, src: href, allow: "clipboard-write; autoplay" });
    const close = made("button", STYLE.close, { type: "button", "aria-label": closeLabel });
    close.textContent = "×";
    close.onclick = () => dialog.close();
    const opened = performance.now();
    // Beside it; but the second click of two, of which the first opened it, is none.
    dialog.onclick = ({ target }) => {
      if (target === dialog && performance.now() - opened > DOUBLE_CLICK_MS) dialog.close();
    };
    let last = null;

    function hear({ origin: from, source, data }) {
      if (from !== origin || source !== frame.contentWindow || data?.type !== "paybell:state") return;
      const { id, stage, status, isPaid } = data;
      last = { id, stage, status, isPaid };
      onState?.(last);
    }
    // The page answers to whom it knows; who else asks is told nothing.
    frame.onload = () => frame.contentWindow.postMessage({ type: "paybell:hello" }, origin);
    dialog.onclose = () => {
      removeEventListener("message", hear);
      dialog.remove();
      onClose?.(last);
    };
    addEventListener("message", hear);
    dialog.append(frame, close);
    document.body.append(dialog);
    dialog.showModal();
    return { close: () => dialog.close() };
  }

  document.addEventListener("click", event => {
    const link = event.target.closest?.("a.paybell-checkout[href]");
    const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (!link || !isPlain || event.defaultPrevented || !("showModal" in HTMLDialogElement.prototype)) return;
    event.preventDefault();
    const tell = (name, detail) => link.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
    open(link.href, {
      title: link.textContent.trim(),
      closeLabel: link.dataset.closeLabel,
      onState: detail => tell("paybell:state", detail),
      onClose: detail => tell("paybell:close", detail),
    });
  });

  globalThis.PaybellCheckout = { open };
})();
