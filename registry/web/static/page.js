// What scripts add: pages that change while they are looked at, and buttons that copy. Everything works without it.
"use strict";

const status = document.createElement("p");
status.setAttribute("role", "status");
status.className = "unseen";

function follow(live) {
  let paused = false, last = "", announced = live.dataset.announce;
  const line = document.createElement("p");
  line.className = "muted small following";
  const words = document.createElement("span");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Pause";
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on" : "Pause";
    words.textContent = paused ? "Updates are paused." : "Updates by itself.";
  });
  words.textContent = "Updates by itself.";
  line.append(words, " ", button);
  live.before(line, status);

  async function look() {
    if (paused || document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-cache" });
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      words.textContent = "Updates by itself.";
      if (text === last) return;
      last = text;
      const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-live]");
      if (!fresh) { location.reload(); return; }
      replace(live, fresh);
      if (fresh.dataset.announce !== announced) {
        announced = fresh.dataset.announce;
        status.textContent = announced;
      }
    } catch {
      words.textContent = "The registry does not answer; trying again.";
    }
  }
  setInterval(look, 1000 * Number(live.dataset.live));
}

// The new content in place of the old one; the keyboard stays where it was, and open details stay open.
function replace(live, fresh) {
  const focused = live.contains(document.activeElement) ? document.activeElement : null;
  const way = focused && (focused.getAttribute("href") || focused.getAttribute("aria-label"));
  const place = focused ? [...live.querySelectorAll(focused.localName)].indexOf(focused) : -1;
  live.replaceChildren(...document.adoptNode(fresh).childNodes);
  if (!focused) return;
  const same = [...live.querySelectorAll(focused.localName)];
  const found = same.find((one) => way && way === (one.getAttribute("href") || one.getAttribute("aria-label")));
  (found || same[place] || live.closest("main")).focus({ preventScroll: true });
}

function copying(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy by hand";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  const frame = document.createElement("div");
  frame.className = "copied";
  block.replaceWith(frame);
  frame.append(block, button);
}

document.querySelectorAll("[data-live]").forEach(follow);
if (navigator.clipboard) document.querySelectorAll("pre").forEach(copying);
