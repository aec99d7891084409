"use strict";
// The explorer's page. Texts from the dataset reach the page as text (textContent, Option), never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const int16 = (text) => new Int16Array(bytes(text).buffer);
  const int32 = (text) => new Int32Array(bytes(text).buffer);

  const MISSING = -1;
  const PAGE = 200; // images shown at a time
  const n = data.ids.length;
  const numRaters = data.raters.length;
  const labels = int16(data.labels); // [n]
  const noisyLabels = int16(data.noisyLabels); // [n, R]
  const noisyLabel = int16(data.noisyLabel); // [n]
  const noisyLabelRater = int32(data.noisyLabelRater); // [n]
  const sizes = data.sheets && bytes(data.sheets.sizes); // [n, 2]
  const originals = data.sheets && int32(data.sheets.originals); // [n, 2]
  const probabilities = data.probabilities && {
    kept: data.probabilities.kept,
    classes: data.probabilities.classes && int16(data.probabilities.classes), // [n, R, kept]
    values: new Uint16Array(bytes(data.probabilities.values).buffer), // [n, R, kept], ten-thousandths
  };
  const drawn = noisyLabelRater.some((rater) => rater !== MISSING);

  // ---- what follows from the labels

  const votesOf = (i) => noisyLabels.subarray(i * numRaters, (i + 1) * numRaters);

  /** [[class, number of raters], ...], the most frequent first. */
  function tally(i) {
    const counts = new Map();
    for (const vote of votesOf(i)) if (vote !== MISSING) counts.set(vote, (counts.get(vote) || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  }

  /** Per image: how many raters labelled it, how many rightly, the shares in agreement and in error (NaN: nobody did). */
  const statistics = Array.from({ length: n }, (_, i) => {
    const counts = tally(i);
    const given = counts.reduce((sum, [, count]) => sum + count, 0);
    const right = counts.reduce((sum, [label, count]) => sum + (label === labels[i] ? count : 0), 0);
    return { given, right, agreement: given ? counts[0][1] / given : NaN, difficulty: given ? 1 - right / given : NaN };
  });

  const percent = (share) => (Number.isNaN(share) ? "–" : `${Math.round(100 * share)} %`);
  const className = (label) => (label === MISSING ? "–" : data.classes[label]);
  const integer = (number) => number.toLocaleString("en");

  // ---- small helpers for the page

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  document.body.classList.toggle("no-images", !data.sheets);
  at("picture").hidden = !data.sheets;

  const images = data.sheets ? data.sheets.uris.map(() => null) : []; // sheets, decoded when the first of their thumbnails is shown
  function sheet(number) {
    if (!images[number]) {
      const image = new Image();
      image.src = data.sheets.uris[number];
      images[number] = image.decode().then(() => image);
    }
    return images[number];
  }

  function draw(canvas, i) {
    if (!data.sheets) return;
    const [width, height] = [sizes[2 * i], sizes[2 * i + 1]];
    const { cell, columns, perSheet } = data.sheets;
    const place = i % perSheet;
    canvas.width = width;
    canvas.height = height;
    canvas.classList.toggle("pixels", Math.max(width, height) < 64);
    canvas.dataset.image = i;
    sheet(Math.floor(i / perSheet)).then((image) => {
      if (Number(canvas.dataset.image) !== i) return; // another image meanwhile
      const [x, y] = [(place % columns) * cell, Math.floor(place / columns) * cell];
      canvas.getContext("2d").drawImage(image, x, y, width, height, 0, 0, width, height);
    });
  }

  function fill(select, names) {
    names.forEach((name, value) => select.append(new Option(name, value)));
  }

  // ---- filters

  const form = at("filters");
  fill(at("class"), data.classes);
  fill(at("given"), data.classes);
  if (drawn) at("rater").append(new Option("the one to train on", "drawn"));
  fill(at("rater"), data.raters);
  const ranges = ["agreement", "difficulty"];

  const within = (share, least, most) =>
    Number.isNaN(share) ? least === 0 && most === 100 : Math.round(100 * share) >= least && Math.round(100 * share) <= most;

  /** The labels that the filter on raters looks at. */
  function lookedAt(i, rater) {
    if (rater === "drawn") return noisyLabelRater[i] === MISSING ? [] : [noisyLabel[i]];
    return rater === "" ? votesOf(i) : [votesOf(i)[Number(rater)]];
  }

  function fits(i, wanted) {
    if (wanted.class !== "" && labels[i] !== Number(wanted.class)) return false;
    if (wanted.search && !data.ids[i].toLowerCase().includes(wanted.search.toLowerCase())) return false;
    if (!ranges.every((name) => within(statistics[i][name], Number(wanted[`${name}-least`]), Number(wanted[`${name}-most`]))))
      return false;
    if (wanted.rater === "" && wanted.given === "" && wanted.right === "") return true;
    return Array.from(lookedAt(i, wanted.rater)).some(
      (label) =>
        label !== MISSING &&
        (wanted.given === "" || label === Number(wanted.given)) &&
        (wanted.right === "" || (label === labels[i]) === (wanted.right === "right")),
    );
  }

  const order = {
    id: () => 0,
    class: (i) => labels[i],
    hardest: (i) => -statistics[i].difficulty,
    easiest: (i) => statistics[i].difficulty,
    contested: (i) => statistics[i].agreement,
    agreed: (i) => -statistics[i].agreement,
  };
  const last = (value) => (Number.isNaN(value) ? Infinity : value); // images that nobody labelled

  let shown = []; // indices of all images that fit, in order
  let current = 0; // the place, among them, of the one image that the Tab key stops at

  function update() {
    for (const name of ranges)
      for (const end of ["least", "most"]) at(`${name}-${end}-value`).textContent = `${at(`${name}-${end}`).value} %`;
    const wanted = Object.fromEntries(new FormData(form));
    const key = order[wanted.sort] || order.id;
    shown = [];
    for (let i = 0; i < n; i++) if (fits(i, wanted)) shown.push(i);
    shown.sort((a, b) => last(key(a)) - last(key(b)) || a - b || 0);
    current = 0;
    at("grid").replaceChildren();
    append(PAGE);
    const given = shown.reduce((sum, i) => sum + statistics[i].given, 0);
    const right = shown.reduce((sum, i) => sum + statistics[i].right, 0);
    const wrong = given ? ` Of their ${integer(given)} labels ${(100 * (1 - right / given)).toFixed(1)} % are wrong.` : "";
    at("count").textContent = `${integer(shown.length)} of ${integer(n)} images.${wrong}`;
    at("none").hidden = shown.length > 0;
    remember(wanted);
  }

  // ---- the grid

  function card(i) {
    const picture = data.sheets ? element("canvas", { "aria-hidden": "true" }) : element("span", { class: "id" }, data.ids[i]);
    draw(picture, i);
    const { given, right } = statistics[i];
    const rater = at("rater").value;
    let said;
    if (rater !== "") {
      const label = lookedAt(i, rater)[0] ?? MISSING;
      said = label === MISSING ? "not labelled" : `${label === labels[i] ? "✓" : "✗"} ${className(label)}`;
    } else {
      const counts = tally(i);
      said = counts.slice(0, 2).map(([label, count]) => `${className(label)} ×${count}`).join(", ");
      if (counts.length > 2) said += ", …";
    }
    const parts = [picture, element("span", { class: "clean" }, className(labels[i]))];
    if (given) {
      const share = element("i");
      share.style.width = `${(100 * right) / given}%`;
      parts.push(element("span", { class: "share" }, share), element("span", { class: "votes" }, said));
    }
    const spoken = given ? `${right} of ${given} raters are right; ${said}` : "no rater labelled it";
    const button = element("button", { type: "button", tabindex: "-1", title: data.ids[i] }, ...parts);
    button.setAttribute("aria-label", `${data.ids[i]}: ${className(labels[i])}. ${spoken}`);
    return element("li", {}, button);
  }

  const buttons = () => at("grid").getElementsByTagName("button");

  function append(count) {
    const from = at("grid").children.length;
    at("grid").append(...shown.slice(from, from + count).map(card));
    const left = shown.length - at("grid").children.length;
    at("more").hidden = left === 0;
    at("more").textContent = `Show ${integer(Math.min(PAGE, left))} more of ${integer(left)}`;
    if (buttons()[current]) buttons()[current].tabIndex = 0;
  }

  /** Makes an image the one that the Tab key stops at, and focuses it. */
  function focus(place) {
    if (place >= buttons().length && place < shown.length) append(PAGE);
    const target = buttons()[Math.max(0, Math.min(place, buttons().length - 1))];
    if (!target) return;
    if (buttons()[current]) buttons()[current].tabIndex = -1;
    current = [...buttons()].indexOf(target);
    target.tabIndex = 0;
    target.focus();
  }

  function columns() {
    const all = buttons();
    let count = 1;
    while (count < all.length && all[count].offsetTop === all[0].offsetTop) count++;
    return count;
  }

  at("grid").addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() };
    let place = current + (steps[event.key] || 0);
    if (event.key === "Home") place = 0;
    else if (event.key === "End") place = buttons().length - 1;
    else if (!(event.key in steps)) return;
    event.preventDefault();
    if (place >= 0 && place < shown.length) focus(place);
  });
  at("grid").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) open([...buttons()].indexOf(button));
  });
  at("more").addEventListener("click", () => focus(buttons().length));

  // ---- one image

  const dialog = at("dialog");

  function open(place) {
    focus(place);
    const i = shown[current];
    const { given, right, agreement, difficulty } = statistics[i];
    at("dialog-title").textContent = data.ids[i];
    at("position").textContent = `${integer(current + 1)} of ${integer(shown.length)}`;
    at("previous").setAttribute("aria-disabled", String(current === 0)); // not `disabled`, which would lose the focus
    at("next").setAttribute("aria-disabled", String(current === shown.length - 1));
    draw(at("picture"), i);
    at("picture").setAttribute("aria-label", `The image ${data.ids[i]}`);
    const facts = [["Class", className(labels[i])]];
    if (noisyLabelRater[i] !== MISSING)
      facts.push(["Label to train on", `${mark(noisyLabel[i], i)} ${className(noisyLabel[i])}, by ${data.raters[noisyLabelRater[i]]}`]);
    facts.push(["Right", given ? `${right} of ${given} raters` : "no rater labelled it"]);
    if (given) facts.push(["Agreement", percent(agreement)], ["Difficulty", percent(difficulty)]);
    if (data.sheets) {
      const [width, height] = [originals[2 * i], originals[2 * i + 1]];
      const smaller = width > sizes[2 * i] ? `, shown at ${sizes[2 * i]} × ${sizes[2 * i + 1]}` : "";
      facts.push(["Size", `${width} × ${height} pixels${smaller}`]);
    }
    at("facts").replaceChildren(...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    at("tally").replaceChildren(...tallied(i));
    at("votes").replaceChildren(...table(i));
    if (!dialog.open) dialog.showModal();
    at("dialog-body").scrollTop = 0;
  }

  const mark = (label, i) => (label === labels[i] ? "✓" : "✗");

  /** Returns a bar per class that raters gave. */
  function tallied(i) {
    return tally(i).map(([label, count]) => {
      const bar = element("i", { class: label === labels[i] ? "right" : "wrong" });
      bar.style.width = `${(100 * count) / statistics[i].given}%`;
      const name = element("span", { class: "name" }, `${mark(label, i)} ${className(label)}`);
      return element("div", { class: "row" }, name, element("span", { class: "share" }, bar), element("b", {}, String(count)));
    });
  }

  /** Returns head and body of the table of raters: label, and probabilities by class or of the most probable classes. */
  function table(i) {
    const byClass = probabilities && !probabilities.classes;
    const head = element("tr", {}, element("th", { scope: "col" }, "Rater"), element("th", { scope: "col" }, "Label"));
    if (byClass)
      data.classes.forEach((name, label) =>
        head.append(element("th", { scope: "col", class: label === labels[i] ? "clean class" : "class" }, element("span", {}, name))),
      );
    else if (probabilities) head.append(element("th", { scope: "col" }, "Most probable"));
    at("votes").classList.toggle("upright", data.classes.every((name) => name.length < 4));
    const rows = [];
    votesOf(i).forEach((vote, r) => {
      if (vote === MISSING) return;
      const row = element("tr", {}, element("th", { scope: "row" }, data.raters[r]));
      row.append(element("td", { class: vote === labels[i] ? "label" : "label wrong" }, `${mark(vote, i)} ${className(vote)}`));
      if (probabilities) row.append(...(byClass ? cells(i, r) : [mostProbable(i, r)]));
      rows.push(row);
    });
    const silent = numRaters - rows.length;
    const unsaid = silent ? ` ${integer(silent)} of ${integer(numRaters)} raters did not label it.` : "";
    const what = byClass ? "Probability of each class, in percent." : "The most probable classes of each rater, in percent.";
    at("probabilities-note").textContent = (rows.length && probabilities ? what : data.noProbabilities) + unsaid;
    return rows.length ? [element("thead", {}, head), element("tbody", {}, ...rows)] : [];
  }

  const hundredths = (value) => (value > 0 && value < 50 ? "<1" : String(Math.round(value / 100)));

  function cells(i, r) {
    return data.classes.map((_, label) => {
      const value = probabilities.values[(i * numRaters + r) * probabilities.kept + label];
      const cell = element("td", { class: label === labels[i] ? "clean p" : "p" }, value ? hundredths(value) : "0");
      cell.style.setProperty("--p", value / 10000);
      return cell;
    });
  }

  function mostProbable(i, r) {
    const start = (i * numRaters + r) * probabilities.kept;
    const kept = Array.from({ length: probabilities.kept }, (_, k) => [probabilities.classes[start + k], probabilities.values[start + k]]);
    const others = Math.max(0, 10000 - kept.reduce((sum, [, value]) => sum + value, 0));
    const spans = kept.map(([label, value]) =>
      element("span", { class: label === labels[i] ? "clean" : "" }, `${className(label)} ${hundredths(value)}`),
    );
    return element("td", { class: "list" }, ...spans, element("span", { class: "others" }, `others ${hundredths(others)}`));
  }

  const step = (by) => {
    if (current + by >= 0 && current + by < shown.length) open(current + by);
  };
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    const scrolls = event.target.closest(".wide"); // where the arrow keys have their own meaning
    if (!scrolls && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      event.preventDefault();
      step(event.key === "ArrowLeft" ? -1 : 1);
    }
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside the panel
  });
  dialog.addEventListener("close", () => focus(current));

  // ---- what is asked for stands in the address, so that a view can be kept and sent

  const defaults = Object.fromEntries(new FormData(form));

  function remember(wanted) {
    const changed = Object.entries(wanted).filter(([name, value]) => value !== defaults[name]);
    const hash = new URLSearchParams(changed).toString();
    try {
      history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    } catch {
      // a page without an address of its own, such as one in a frame
    }
  }

  function recall() {
    for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
      const field = name in defaults && form.elements[name];
      if (field && (field.tagName !== "SELECT" || [...field.options].some((option) => option.value === value))) field.value = value;
    }
  }

  form.addEventListener("input", (event) => {
    const [name, end] = (event.target.name || "").split("-");
    if (end) {
      const other = at(`${name}-${end === "least" ? "most" : "least"}`);
      const crossed = end === "least" ? Number(other.value) < Number(event.target.value) : Number(other.value) > Number(event.target.value);
      if (crossed) other.value = event.target.value;
    }
    update();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update));
  at("clear").addEventListener("click", () => {
    form.reset();
    setTimeout(() => focus(0));
  });
  at("panel").open = matchMedia("(min-width: 800px)").matches;
  recall();
  update();
})();
