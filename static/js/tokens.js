// The form of a new token: shows the permission grid and the date only where they count, and adds rows.
// Without this script everything is shown and one empty row is there.

function showWhere (form, selector, key, name) {
  const update = () => {
    const value = new FormData(form).get(name)
    for (const part of form.querySelectorAll(selector)) part.hidden = part.dataset[key] !== value
  }
  form.addEventListener('change', update)
  update()
}

function addRows (form) {
  const rows = form.querySelector('[data-rows]')
  const template = form.querySelector('[data-row-template]')
  const holder = form.querySelector('[data-add-row]')
  const total = form.elements['scope-TOTAL_FORMS']
  holder.hidden = false
  holder.querySelector('button').addEventListener('click', () => {
    const number = Number(total.value)
    rows.insertAdjacentHTML('beforeend', template.innerHTML.replaceAll('__prefix__', String(number)))
    total.value = String(number + 1)
    rows.lastElementChild.querySelector('input[type="text"]').focus()
  })
}

for (const form of document.querySelectorAll('[data-token-form]')) {
  showWhere(form, '[data-shown-for]', 'shownFor', 'role')
  showWhere(form, '[data-shown-for-expiry]', 'shownForExpiry', 'expiry')
  addRows(form)
}
