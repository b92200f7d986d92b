// Passkeys and security keys.  Forms say what they do by data-webauthn: "login" (asks the form's address for the
// options), "authenticate" or "add" (options in the JSON script named by data-webauthn-options).  The answer of the
// key goes into the form's hidden "credential" field, and the form is sent.

function bytes (text) {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, character => character.charCodeAt(0))
}

function text (buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer))
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

const withBytesId = item => ({ ...item, id: bytes(item.id) })

function creationOptions (options) {
  return {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: options.excludeCredentials?.map(withBytesId)
  }
}

function requestOptions (options) {
  return { ...options, challenge: bytes(options.challenge), allowCredentials: options.allowCredentials?.map(withBytesId) }
}

function asJson (credential) {
  const { response } = credential
  const answer = { clientDataJSON: text(response.clientDataJSON) }
  if (response.attestationObject) {
    answer.attestationObject = text(response.attestationObject)
    answer.transports = response.getTransports?.() ?? []
  } else {
    answer.authenticatorData = text(response.authenticatorData)
    answer.signature = text(response.signature)
    answer.userHandle = response.userHandle ? text(response.userHandle) : null
  }
  return {
    type: credential.type,
    id: credential.id,
    rawId: text(credential.rawId),
    authenticatorAttachment: credential.authenticatorAttachment ?? null,
    response: answer,
    clientExtensionResults: credential.getClientExtensionResults()
  }
}

async function optionsOf (form) {
  if (form.dataset.webauthn === 'login') {
    const response = await fetch(form.action, { headers: { Accept: 'application/json' } })
    if (!response.ok) throw new Error(`no options: ${response.status}`)
    return (await response.json()).request_options
  }
  const data = JSON.parse(document.getElementById(form.dataset.webauthnOptions).textContent)
  return form.dataset.webauthn === 'add' ? data.creation_options : data.request_options
}

async function credentialFor (form) {
  const { publicKey } = await optionsOf(form)
  if (form.dataset.webauthn !== 'add') return navigator.credentials.get({ publicKey: requestOptions(publicKey) })
  const selection = publicKey.authenticatorSelection ??= {}
  const passwordless = form.elements.passwordless?.checked ?? false
  selection.residentKey = passwordless ? 'required' : 'discouraged'
  selection.requireResidentKey = passwordless
  if (passwordless) selection.userVerification = 'required'
  return navigator.credentials.create({ publicKey: creationOptions(publicKey) })
}

for (const form of document.querySelectorAll('[data-webauthn]')) {
  if (!window.PublicKeyCredential) continue
  form.hidden = false
  form.addEventListener('submit', async event => {
    event.preventDefault()
    const error = form.querySelector('[data-webauthn-error]')
    error.hidden = true
    try {
      form.elements.credential.value = JSON.stringify(asJson(await credentialFor(form)))
    } catch {
      error.hidden = false // refused, timed out, or not one of ours
      return
    }
    form.submit()
  })
}
