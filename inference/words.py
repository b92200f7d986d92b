"""Words that the playground's script says, in the reader's language; ``{name}`` is filled in by the script."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import pgettext


def playground_words() -> dict[str, str]:
    return {
        # states
        "ready": _("Ready"),
        "loading": _("Loading"),
        "cold": _("Cold"),
        "unavailable": _("Cannot run"),
        # while a call runs
        "sending": _("Sending …"),
        "queued": _("Waiting for a free place …"),
        "queuedAt": _("Waiting: {count} calls before this one …"),
        "loadingModel": _("Loading the model …"),
        "running": _("Running …"),
        "stopped": _("Stopped."),
        "done": _("Done."),
        "seconds": _("{value} s"),
        "milliseconds": _("{value} ms"),
        # errors
        "failed": _("The call failed"),
        "offline": _("The hub could not be reached. Check your connection and try again."),
        "cutOff": _("The answer was cut off. Please try again."),
        "retryIn": _("You can try again in {seconds} s."),
        "retry": _("Try again"),
        "signInAgain": _("Your session has ended. Reload the page and sign in again."),
        "errorCode": _("Code {code}"),
        # inputs
        "needText": _("Write something first."),
        "needImage": _("Choose a picture first."),
        "notAnImage": _("This file is not a picture that models take (PNG, JPEG, WebP, GIF, BMP or TIFF)."),
        "tooLarge": _("The picture is larger than {limit} MB."),
        "exampleGone": _("This example picture could not be fetched."),
        "remove": _("Remove"),
        "sentence": _("Sentence {number}"),
        # answers
        "you": pgettext("speaker in a chat", "You"),
        "model": pgettext("speaker in a chat", "Model"),
        "system": pgettext("speaker in a chat", "System prompt"),
        "answering": _("The model answers."),
        "answerEnded": _("The answer is complete."),
        "cutByLength": _("The answer stopped at the longest length allowed."),
        "best": _("Best: {label}, {score}."),
        "others": _("{count} more"),
        "dimensions": _("{count} dimensions"),
        "vectors": _("{count} vectors of {dimensions} dimensions, one per token"),
        "length": _("length {value}"),
        "firstNumbers": _("the first {count}"),
        "copyJson": _("Copy as JSON"),
        "copied": _("Copied"),
        # timings
        "timeQueue": _("Queue"),
        "timeLoad": _("Load"),
        "timeFirst": _("First token"),
        "timeRun": _("Run"),
        "timeTotal": _("Round trip"),
        "tokens": _("Tokens"),
        "tokensValue": _("{prompt} in, {completion} out"),
        "speed": _("Speed"),
        "speedValue": _("{value} tokens/s"),
        "requestId": _("Request"),
        # code
        "code": _("Code"),
    }
