(() => {
  'use strict';
  const bar = document.getElementById('filter');
  const table = document.getElementById('all-lines');
  if (!bar || !table) return;
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map(row => row.textContent.toLowerCase());
  const [words, status, account, shown] = ['words', 'status', 'account', 'shown'].map(
    name => document.getElementById(`filter-${name}`));
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, n) => {
      const fits = (!status.value || (status.value === 'not-ok' ? !row.classList.contains('ok') : row.classList.contains(status.value)))
        && (!account.value || row.dataset.account === account.value)
        && wanted.every(word => texts[n].includes(word));
      row.hidden = !fits;
      count += fits;
    });
    shown.textContent = `${count.toLocaleString('en')} of ${rows.length.toLocaleString('en')} shown`;
  };
  const reveal = () => {
    const row = location.hash && document.getElementById(location.hash.slice(1));
    if (!row || !table.contains(row)) return;
    if (row.hidden) {
      words.value = status.value = account.value = '';
      apply();
    }
    row.querySelectorAll('details').forEach(one => { one.open = true; });
    row.scrollIntoView({ block: 'center' });
  };
  words.addEventListener('input', apply);
  status.addEventListener('change', apply);
  account.addEventListener('change', apply);
  addEventListener('hashchange', reveal);
  bar.hidden = false;
  apply();
  reveal();
})();
