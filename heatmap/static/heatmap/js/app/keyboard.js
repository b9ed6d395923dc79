// One key, one action, wherever the focus is, except where the key means something already.

const TYPING = "input:not([type=range], [type=radio], [type=checkbox]), select, textarea";
const OWN_ARROWS = "input, select, [role=tab], [role=slider]";

/** `actions`: key -> function(event), false where the key is not for it. Letters count in either case. */
export function listenToKeys(actions) {
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (isCommand(event) || event.defaultPrevented) return;
    if (target.closest?.("dialog")) return;
    if (target.closest?.(TYPING) && key !== "Escape") return;
    if (key.startsWith("Arrow") && target.closest?.(OWN_ARROWS)) return;
    const action = actions[key.length === 1 ? key.toLowerCase() : key];
    if (action && action(event) !== false) event.preventDefault();
  });
}

/** Whether it is for the browser. Alt and AltGr (Ctrl and Alt) write brackets on many keyboards. */
function isCommand({ ctrlKey, metaKey, altKey, key }) {
  if (altKey && !metaKey) return !"[]".includes(key);
  return ctrlKey || metaKey;
}
