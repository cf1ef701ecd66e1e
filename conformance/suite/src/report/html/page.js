'use strict';
// Filters what is shown, and opens what a link leads to. The page is whole without it.
(() => {
  const form = document.getElementById('filters');
  const { search, verdict, level, shown } = form.elements;
  const items = [...document.querySelectorAll('[data-verdict]')];
  const sections = [...document.querySelectorAll('section')];
  const texts = new Map(items.map((item) => [item, item.textContent.toLowerCase()]));

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const item of items) {
      const fits = (!verdict.value || item.dataset.verdict === verdict.value)
        && (!level.value || item.dataset.level.split(' ').includes(level.value))
        && words.every((word) => texts.get(item).includes(word));
      item.hidden = !fits;
      count += fits ? 1 : 0;
    }
    for (const section of sections) {
      section.hidden = !section.querySelector('[data-verdict]:not([hidden])');
    }
    shown.value = `${count} of ${items.length}`;
  }

  function follow() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  }

  form.addEventListener('input', filter);
  form.addEventListener('submit', (event) => event.preventDefault());
  window.addEventListener('hashchange', follow);
  form.hidden = false;
  filter();
  follow();
})();
