"""The sentences of refusals, for translation.

Services raise English sentences and the API sends them as they are.  Pages pass them through ``in_words_of_reader``,
which finds the sentence here, with the values that were put into it, and translates it.  A sentence that is not
listed stays English; ``tests/hub/web/test_translations.py`` names those that people could see.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from django.utils.translation import gettext, gettext_noop

_DEFAULTS: Final = (
    gettext_noop("Something went wrong on our side."),
    gettext_noop("The request could not be understood."),
    gettext_noop("Invalid credentials in Authorization header"),
    gettext_noop("Invalid username or password."),
    gettext_noop("You do not have the rights to do this."),
    gettext_noop("This access token has insufficient scope for this action."),
    gettext_noop("Please confirm that it is you before doing this."),
    gettext_noop("Access to this resource is disabled."),
    gettext_noop("Access to this repository is restricted."),
    gettext_noop("Not found"),
    gettext_noop("Repository not found"),
    gettext_noop("Invalid rev id"),
    gettext_noop("Entry not found"),
    gettext_noop("This user or organization does not exist."),
    gettext_noop("This already exists."),
    gettext_noop("Content-Length is required."),
    gettext_noop("The branch was updated since you opened this page. Please refresh and try again."),
    gettext_noop("The request is too large."),
    gettext_noop("The requested range is not available."),
    gettext_noop("The request is well formed but cannot be processed."),
    gettext_noop("Too many requests. Please wait and try again."),
    gettext_noop("This service is not available right now. Please try again."),
    gettext_noop("The hub is out of storage space. Nothing was lost; please tell its operator."),
)

_ACCOUNTS: Final = (
    gettext_noop("An account with this e-mail address exists."),
    gettext_noop("Choose at least one permission."),
    gettext_noop("Give the token a name of 1 to 100 characters."),
    gettext_noop("Malformed permissions."),
    gettext_noop("Name one person or one e-mail address."),
    gettext_noop("Names cannot contain '--' or end with '-'."),
    gettext_noop("Names need at least one letter and cannot look like an identifier."),
    gettext_noop("Names use 2 to 42 letters, digits and single dashes, and start with a letter or digit."),
    gettext_noop("Only admins of the organization can do this."),
    gettext_noop("Only fine-grained tokens carry single permissions."),
    gettext_noop("Pictures can have at most 16 megapixels."),
    gettext_noop("Pictures can have at most 2 MiB."),
    gettext_noop("The expiry lies in the past."),
    gettext_noop("There is no user of this name."),
    gettext_noop("There is no user or organization named %(name)s."),
    gettext_noop("This hub sends no mail. Invite people by their user name."),
    gettext_noop("This invitation has expired, was withdrawn or has been used."),
    gettext_noop("This invitation is for another account."),
    gettext_noop("This invitation is no longer valid."),
    gettext_noop("This invitation was sent to an e-mail address that is not verified on your account."),
    gettext_noop("This is not a PNG, JPEG, WebP or GIF picture."),
    gettext_noop("This is not an e-mail address."),
    gettext_noop("This name is reserved."),
    gettext_noop("This name is taken."),
    gettext_noop("This organization has too many open invitations."),
    gettext_noop("This page needs a signed-in browser; access tokens do not open it."),
    gettext_noop("This person is a member already."),
    gettext_noop("This person is not a member of the organization."),
    gettext_noop("This token was revoked."),
    gettext_noop("Unknown kind of token."),
    gettext_noop("Unknown permission."),
    gettext_noop("Unknown role."),
    gettext_noop("A token can name at most %(count)s repositories and organizations."),
    gettext_noop("You are the only admin of %(names)s. Name another admin or delete the organization first."),
    gettext_noop("You cannot give a role above your own."),
    gettext_noop("You cannot grant %(action)s on %(name)s: you do not have this right yourself."),
    gettext_noop("You have %(count)s tokens. Revoke one that you no longer use."),
    gettext_noop("A public application has no secret."),
    gettext_noop("Give the application a name of 1 to 60 characters."),
    gettext_noop("Name 1 to %(count)s redirect addresses."),
    gettext_noop(
        "Redirect addresses are https://…, http:// to this machine, or a program's own scheme such as "
        "com.example.app:/callback, without fragment, user name and wildcard."
    ),
    gettext_noop("There is no application with this client id."),
    gettext_noop("This application asked to be answered at an address that it has not registered."),
    gettext_noop("This application asks for nothing that this hub knows."),
    gettext_noop("This application uses PKCE without S256, which this hub does not accept."),
    gettext_noop("This code is wrong, has expired or has been used. Start again in your program."),
    gettext_noop("You have %(count)s applications. Delete one that you no longer use."),
)

_REPOS: Final = (
    gettext_noop("%(path)s cannot be duplicated: links and large plain files are not copied."),
    gettext_noop("%(path)s has %(size)s bytes, not %(expected)s."),
    gettext_noop("%(path)s has no sha256 yet."),
    gettext_noop("%(path)s has not arrived yet."),
    gettext_noop("%(path)s is no longer here. Please upload it again."),
    gettext_noop("%(path)s is larger than %(size)s MiB. Use LFS for large files."),
    gettext_noop("%(path)s: the uploaded file has %(size)s bytes."),
    gettext_noop("%(count)s files have not arrived yet, such as %(path)s."),
    gettext_noop(
        "%(owner)s has no room for %(size)s more bytes: its storage quota is %(quota)s bytes. "
        "Delete files or repositories, or ask the operator of this hub for more."
    ),
    gettext_noop("%(path)s is locked by %(owner)s: it cannot be changed until it is unlocked."),
    gettext_noop("%(ref)s is protected and cannot be deleted"),
    gettext_noop("%(ref)s is protected: its history cannot be rewritten"),
    gettext_noop("%(repo_id)s exists again; rename that repository first."),
    gettext_noop("A %(repo_type)s repository called %(repo_id)s already exists"),
    gettext_noop("A commit copies at most %(count)s files and folders. Please split it."),
    gettext_noop("A commit has at most %(count)s operations. Please split it."),
    gettext_noop("A commit message has at most %(size)s bytes."),
    gettext_noop("A commit needs a message."),
    gettext_noop("A file with this name doesn't exist: %(path)s"),
    gettext_noop("A license is named by its identifier, such as apache-2.0."),
    gettext_noop("A repository begins with at most %(count)s files; commit the others."),
    gettext_noop("A repository id has the form namespace/name, not '%(repo_id)s'."),
    gettext_noop("An upload has at most %(count)s files. Please commit and go on."),
    gettext_noop("Ask for at most %(count)s files at once."),
    gettext_noop("At most %(count)s branches and tags can be protected."),
    gettext_noop("At most %(count)s tags can be combined."),
    gettext_noop("Cannot add %(path)s: %(part)s is a file, not a folder"),
    gettext_noop("Cannot add %(path)s: a file has this name"),
    gettext_noop("Cannot add %(path)s: a folder has this name"),
    gettext_noop("Cannot delete %(ref)s"),
    gettext_noop("Choose at least one file."),
    gettext_noop("Entry not found: %(path)s"),
    gettext_noop("Files over %(size)s bytes are not accepted by this hub."),
    gettext_noop("Files over %(size)s GB are not accepted."),
    gettext_noop("Invalid cursor"),
    gettext_noop("Invalid license_class. Use one of: %(choices)s."),
    gettext_noop("Invalid path in repository: %(path)s"),
    gettext_noop("Invalid reference for a %(kind)s"),
    gettext_noop("Invalid rev id: %(revision)s"),
    gettext_noop("Invalid sort parameter. Use one of: %(choices)s."),
    gettext_noop("Not a folder: %(path)s"),
    gettext_noop("num_parameters has the form min:6B,max:128B."),
    gettext_noop("Numbers of parameters are written like 500M or 7B."),
    gettext_noop("README.md has at most %(size)s bytes."),
    gettext_noop("Reference %(ref)s already exists"),
    gettext_noop("Reference %(ref)s already exists, or a name above or below it does"),
    gettext_noop("Reference %(ref)s is locked by another operation. Please try again."),
    gettext_noop("Repository names cannot contain '..' or '--'."),
    gettext_noop("Repository names cannot end with '-' or '.'."),
    gettext_noop("Repository names cannot end with '.git', '.lock' or '.ipynb'."),
    gettext_noop("Repository names use 1 to 96 letters, digits, '-', '_' and '.', and start with a letter or digit."),
    gettext_noop("The branch keeps changing. Please try again."),
    gettext_noop("The branch moved since this listing began. Please list it again."),
    gettext_noop("The file is larger than %(size)s bytes"),
    gettext_noop("The files could not be stored."),
    gettext_noop("The page has expired. Please reload it and try again."),
    gettext_noop("The repository is busy with other commits. Please try again."),
    gettext_noop("The sha256 of the received bytes differs from the declared one."),
    gettext_noop("The storage behind this file stopped answering."),
    gettext_noop("The storage of this hub is not answering. Please try again."),
    gettext_noop("Storage failed while writing. Nothing was stored."),
    gettext_noop("Storage is read-only after a disk error. Its operator was told."),
    gettext_noop("There is nothing to commit."),
    gettext_noop("This cannot be the name of a branch or tag: %(name)s"),
    gettext_noop("This file is not part of the upload."),
    gettext_noop("This link has expired. Please ask for a new one."),
    gettext_noop("This link is not valid. Please ask for a new one."),
    gettext_noop("This repository has more than %(count)s files and folders."),
    gettext_noop("This repository moved to %(repo_id)s already."),
    gettext_noop("This repository moved to %(repo_id)s."),
    gettext_noop("This repository was deleted meanwhile."),
    gettext_noop("This upload is already complete."),
    gettext_noop("This upload is being written by another request. Please try again."),
    gettext_noop("This upload is closed already."),
    gettext_noop("This upload is for another file."),
    gettext_noop("This upload no longer exists."),
    gettext_noop("This upload was aborted meanwhile."),
    gettext_noop("Two names in one folder differ only by case or Unicode form: '%(first)s', '%(second)s'"),
    gettext_noop("Unknown repository type: %(value)s"),
    gettext_noop("Without script a form carries at most %(size)s MB."),
    gettext_noop("You already created this %(repo_type)s repo: %(repo_id)s"),
    gettext_noop("You do not have the rights to create a repository under the namespace '%(name)s'."),
    gettext_noop(
        "You do not have the rights to write to %(repo_id)s. Propose your change as a pull request: "
        "pass create_pr=1 as a query parameter (create_pr=True in Python)."
    ),
    gettext_noop("You have a repository with this name."),
)

# Why a model is not run here: from its files, from the hub, from the worker.
_MODELS: Final = (
    gettext_noop("A Dense module has no safetensors weights."),
    gettext_noop("A Dense module uses an activation or residual that is not served."),
    gettext_noop("Code in a repo is never run."),
    gettext_noop("Keras files can carry code (Lambda layers) and are never loaded."),
    gettext_noop("Keras files can carry code and are not loaded. Publish safetensors to serve."),
    gettext_noop("Only Transformer, Pooling and then Dense or Normalize are served."),
    gettext_noop("Only weights as safetensors are served."),
    gettext_noop("Pickle files can run code when opened and are never loaded."),
    gettext_noop("The architecture (%(name)s) is not among those served."),
    gettext_noop("The archive unpacks to %(ratio)s times its size."),
    gettext_noop("The chat template is too large."),
    gettext_noop("The module %(name)s is not among those served; its code is not run."),
    gettext_noop("The pooling mode is not among those served."),
    gettext_noop("The shard %(path)s is missing."),
    gettext_noop("The weights are pickle files, which can run code. Publish them as safetensors to serve."),
    gettext_noop("There are no weights in this repo."),
    gettext_noop("There is no config.json, so the architecture of the weights is not known."),
    gettext_noop("There is no preprocessor_config.json, so images cannot be prepared."),
    gettext_noop("There is no tokenizer.json; save the fast tokenizer beside the weights."),
    gettext_noop("Weights as %(format)s are not served."),
    gettext_noop("Weights quantised ahead of time are not served yet."),
    gettext_noop("modules.json holds an entry without a type."),
    gettext_noop("modules.json is not a list of modules."),
    gettext_noop("modules.json names a folder outside the repo."),
    gettext_noop("%(path)s unpacks to far more than its size and is not opened."),
    gettext_noop("%(path)s has no weight map."),
    gettext_noop("%(path)s names shards outside its folder, or too many."),
    gettext_noop("%(path)s asks for code of the repo's own ('%(key)s'), never run here."),
    gettext_noop("%(path)s is larger than %(size)s bytes."),
    gettext_noop("%(path)s is not a JSON object."),
    gettext_noop("%(path)s is not a sound safetensors file: %(problem)s."),
    gettext_noop("%(path)s is not valid JSON."),
    gettext_noop("The files beside the weights are too large to be fetched for hosting."),
    gettext_noop("The files of this model are still being inspected."),
    gettext_noop("Hosted inference is turned off on this hub."),
    gettext_noop("This model cannot be hosted."),
    gettext_noop("The card and the files do not say which task this model is for."),
    gettext_noop("This hub does not host the task '%(task)s' yet."),
    gettext_noop("No inference worker is running on this hub right now."),
    gettext_noop("The queue for hosted inference is full."),
    gettext_noop("The model's process ended unexpectedly; please send the request again."),
    gettext_noop("This worker cannot isolate models, so it does not run any."),
    gettext_noop("The model does not fit into this worker's memory."),
    gettext_noop("The model's files could not be loaded."),
    gettext_noop("Loading the model took too long."),
    gettext_noop("All memory for models is in use; please try again shortly."),
    gettext_noop("The model's files could not be fetched; please try again shortly."),
    gettext_noop("This model failed repeatedly and rests for a day."),
    gettext_noop("Too many requests wait for this model."),
    gettext_noop("This worker is shutting down; please send the request again."),
    gettext_noop("The request took longer than allowed."),
    gettext_noop("The request was cancelled."),
    gettext_noop("The model cannot be served."),
    gettext_noop("Loading failed (%(name)s)."),
    gettext_noop("The model needs about %(need)s GiB; this worker has %(have)s GiB."),
)

# Discussions and pull requests.
_COMMUNITY: Final = (
    gettext_noop("A comment has at most %(count)s characters."),
    gettext_noop("A comment needs a text."),
    gettext_noop("A pull request changes at most %(count)s files."),
    gettext_noop("A title has %(least)s to %(most)s characters."),
    gettext_noop("A title is one line of text."),
    gettext_noop("Attachments of this kind have at most %(count)s MiB."),
    gettext_noop("Close the pull request before its files are removed."),
    gettext_noop("Discussions and pull requests are disabled for this repository."),
    gettext_noop("Only PNG, JPEG, GIF and WebP pictures, MP4, MOV and WebM films, MP3 and WAV sounds can be attached."),
    gettext_noop("Only its author can edit a comment."),
    gettext_noop("Only people who administer this repository can do this."),
    gettext_noop("Only people who may write to this repository can do this."),
    gettext_noop(
        "Only the author of this pull request and people who may write to the repository can add commits to it."
    ),
    gettext_noop("Pictures can have at most 40 megapixels."),
    gettext_noop("The discussion has this status already."),
    gettext_noop("The discussion has this title already."),
    gettext_noop("The files of this pull request were removed: it cannot be opened again."),
    gettext_noop("The status of a discussion is open or closed."),
    gettext_noop("These commits differ in too many files to be compared."),
    gettext_noop("This comment does not exist."),
    gettext_noop("This comment is hidden: it cannot be edited."),
    gettext_noop("This discussion does not exist."),
    gettext_noop("This discussion has %(count)s entries. Please open a new one."),
    gettext_noop("This discussion is locked."),
    gettext_noop("This discussion is not a pull request."),
    gettext_noop("This pull request changes nothing: its target branch holds all of it already."),
    gettext_noop("This pull request conflicts with its target branch. Update it first, then merge it."),
    gettext_noop("This pull request is a draft. Mark it as open before it is merged."),
    gettext_noop("This pull request is closed. Open it again before it is merged."),
    gettext_noop("This pull request is merged or closed: nothing can be added to it."),
    gettext_noop("This pull request is merged: that is final."),
    gettext_noop("This pull request was merged or closed meanwhile."),
    gettext_noop("Your attachments take %(used)s MiB: there is room for %(count)s MiB."),
)

# What the playground's calls are answered.
_CALLS: Final = (
    gettext_noop("A text exceeds %(count)s tokens."),
    gettext_noop("A text holds no token of this model."),
    gettext_noop("An image is needed."),
    gettext_noop("No inference worker is running right now. Please try again."),
    gettext_noop("The answer was not read fast enough."),
    gettext_noop("The body is larger than %(size)s bytes."),
    gettext_noop("The call could not be checked. Try again."),
    gettext_noop("The call could not be started."),
    gettext_noop("The call took longer than this hub allows."),
    gettext_noop("The call waited longer than this hub allows."),
    gettext_noop("The call was cancelled."),
    gettext_noop("The image could not be read (PNG, JPEG, WebP, GIF, BMP and TIFF are)."),
    gettext_noop("The image exceeds %(size)s bytes."),
    gettext_noop("The image has more than 40 million pixels."),
    gettext_noop("The image must be at least %(size)s pixels wide and high."),
    gettext_noop("The messages hold more than %(count)s characters together."),
    gettext_noop("The model failed (%(name)s)."),
    gettext_noop("The model failed on this input (%(name)s)."),
    gettext_noop("The model gave no answer."),
    gettext_noop("The model ran out of memory on this request."),
    gettext_noop("The model's answer had an unexpected form."),
    gettext_noop("The model's chat template does not accept these messages."),
    gettext_noop("The model's chat template makes too long a prompt of these messages."),
    gettext_noop("The model's files are still being fetched."),
    gettext_noop("The model's files could not be fetched. Please try again."),
    gettext_noop("The prompt has %(count)s tokens; the model's context is %(limit)s."),
    gettext_noop("The prompt holds no token of this model."),
    gettext_noop("The queue of hosted inference cannot be reached right now. Please try again."),
    gettext_noop("The queue was restarted and lost this call. Please try again."),
    gettext_noop("The worker that ran this call stopped. Please try again."),
    gettext_noop("This model classifies images."),
    gettext_noop("This model classifies text."),
    gettext_noop("This model embeds text."),
    gettext_noop("This model generates text."),
    gettext_noop("This model has no chat template; use completions."),
    gettext_noop("This request did not come from a page of this hub."),
    gettext_noop("You have %(count)s calls in flight. Wait for one of them to end."),
    gettext_noop("%(repo_id)s does not serve the task '%(task)s'; it serves: %(tasks)s."),
    gettext_noop("'%(field)s' holds more than %(count)s items."),
    gettext_noop("'%(field)s' is longer than %(count)s characters."),
    gettext_noop("'%(field)s' must be a number."),
    gettext_noop("'%(field)s' must be an integer."),
    gettext_noop("'%(field)s' must lie between %(low)s and %(high)s."),
    gettext_noop("'%(field)s' must not be empty."),
)

_PLACE: Final = re.compile(r"%\((\w+)\)s")
_FIXED: Final = frozenset(
    sentence
    for group in (_DEFAULTS, _ACCOUNTS, _REPOS, _MODELS, _COMMUNITY, _CALLS)
    for sentence in group
    if not _PLACE.search(sentence)
)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Sentences with places for values, the most specific first."""
    sentences = [sentence for group in (_ACCOUNTS, _REPOS, _MODELS, _COMMUNITY, _CALLS) for sentence in group]
    sentences = [sentence for sentence in sentences if _PLACE.search(sentence)]
    sentences.sort(key=lambda sentence: -len(_PLACE.sub("", sentence)))
    return tuple((_pattern(sentence), sentence) for sentence in sentences)


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = _PLACE.split(sentence)  # text, name, text, name, …, text
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if index % 2 else re.escape(part) for index, part in enumerate(parts)), re.DOTALL
    )


def in_words_of_reader(message: str) -> str:
    """``message`` of a HubError in the active language; unknown sentences come back as they are."""
    if not message or message in _FIXED:
        return gettext(message) if message else ""
    for pattern, sentence in _patterns():
        found = pattern.fullmatch(message)
        if found:
            return gettext(sentence) % found.groupdict()
    return message
