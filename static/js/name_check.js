// Says while typing whether a name can be had.  Form: data-name-check-url; input: data-name-check.
// A repo form adds data-name-check-kind="repo", with fields named "namespace" and (optional) "repo_type".

const WAIT_MS = 250

function outputFor (input) {
  const output = document.createElement('p')
  output.className = 'field__help name-check'
  output.id = `${input.id}_name_check`
  output.setAttribute('role', 'status')
  input.closest('.field').append(output)
  const described = input.getAttribute('aria-describedby')
  input.setAttribute('aria-describedby', described ? `${described} ${output.id}` : output.id)
  return output
}

function addressFor (form, input) {
  const url = new URL(form.dataset.nameCheckUrl, location.href)
  url.searchParams.set('name', input.value.trim())
  if (form.dataset.nameCheckKind) {
    url.searchParams.set('kind', form.dataset.nameCheckKind)
    url.searchParams.set('namespace', form.elements.namespace?.value ?? '')
    url.searchParams.set('type', form.elements.repo_type?.value ?? 'model')
  }
  return url
}

function watch (input) {
  const form = input.form
  const output = outputFor(input)
  let timer = 0
  let asked = 0
  const ask = async () => {
    const number = ++asked
    if (!input.value.trim()) {
      output.textContent = ''
      delete output.dataset.state
      return
    }
    try {
      const response = await fetch(addressFor(form, input), { headers: { Accept: 'application/json' } })
      if (!response.ok) return
      const answer = await response.json()
      if (number !== asked) return // a newer question is under way
      output.textContent = answer.message
      output.dataset.state = answer.available ? 'free' : 'taken'
    } catch {
      output.textContent = '' // offline: the form itself will tell
    }
  }
  const later = () => {
    clearTimeout(timer)
    timer = setTimeout(ask, WAIT_MS)
  }
  input.addEventListener('input', later)
  for (const name of ['namespace', 'repo_type']) form.elements[name]?.addEventListener?.('change', later)
}

for (const input of document.querySelectorAll('[data-name-check-url] [data-name-check]')) watch(input)
