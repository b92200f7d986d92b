"""The fixed words of the field: pipeline tags, libraries, licences and languages, with labels and icons.

Ids are those of the Hub protocol (hub-api §26); what people read is translated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from babel import Locale
from django.utils.functional import Promise
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext_lazy as _

Label = str | Promise


class Modality(StrEnum):
    TEXT = "text"
    VISION = "vision"
    AUDIO = "audio"
    MULTIMODAL = "multimodal"
    TABULAR = "tabular"
    OTHER = "other"

    @property
    def label(self) -> Label:
        return _MODALITY_LABELS[self]


_MODALITY_LABELS: Final[dict[Modality, Label]] = {
    Modality.TEXT: _("Text"),
    Modality.VISION: _("Vision"),
    Modality.AUDIO: _("Audio"),
    Modality.MULTIMODAL: _("Multimodal"),
    Modality.TABULAR: _("Tables"),
    Modality.OTHER: _("Other"),
}


# --- pipeline tags ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PipelineTag:
    """A machine-learning task; ``icon`` is a name of the sprite."""

    id: str
    label: Label
    modality: Modality
    icon: str


def _tags(modality: Modality, *rows: tuple[str, Label, str]) -> list[PipelineTag]:
    return [PipelineTag(tag_id, label, modality, icon) for tag_id, label, icon in rows]


_PIPELINE_TAGS: Final = [
    *_tags(
        Modality.TEXT,
        ("text-generation", _("Text generation"), "text-cursor-input"),
        ("text-classification", _("Text classification"), "tag"),
        ("token-classification", _("Token classification"), "scan-text"),
        ("feature-extraction", _("Feature extraction"), "network"),
        ("sentence-similarity", _("Sentence similarity"), "git-compare"),
        ("text-ranking", _("Text ranking"), "list"),
        ("fill-mask", _("Fill mask"), "type"),
        ("question-answering", _("Question answering"), "circle-question-mark"),
        ("summarization", _("Summarization"), "file-text"),
        ("translation", _("Translation"), "languages"),
        ("zero-shot-classification", _("Zero-shot classification"), "tag"),
        ("table-question-answering", _("Table question answering"), "table-2"),
    ),
    *_tags(
        Modality.VISION,
        ("image-classification", _("Image classification"), "image"),
        ("object-detection", _("Object detection"), "scan-text"),
        ("image-segmentation", _("Image segmentation"), "layers"),
        ("image-feature-extraction", _("Image feature extraction"), "network"),
        ("zero-shot-image-classification", _("Zero-shot image classification"), "image"),
        ("zero-shot-object-detection", _("Zero-shot object detection"), "scan-text"),
        ("depth-estimation", _("Depth estimation"), "layers"),
        ("keypoint-detection", _("Keypoint detection"), "network"),
        ("mask-generation", _("Mask generation"), "layers"),
        ("text-to-image", _("Text to image"), "image"),
        ("image-to-image", _("Image to image"), "image"),
        ("unconditional-image-generation", _("Unconditional image generation"), "image"),
        ("video-classification", _("Video classification"), "video"),
        ("text-to-video", _("Text to video"), "video"),
        ("image-to-video", _("Image to video"), "video"),
        ("video-to-video", _("Video to video"), "video"),
        ("text-to-3d", _("Text to 3D"), "box"),
        ("image-to-3d", _("Image to 3D"), "box"),
    ),
    *_tags(
        Modality.AUDIO,
        ("automatic-speech-recognition", _("Automatic speech recognition"), "audio-lines"),
        ("audio-classification", _("Audio classification"), "audio-lines"),
        ("text-to-speech", _("Text to speech"), "audio-lines"),
        ("text-to-audio", _("Text to audio"), "audio-lines"),
        ("audio-to-audio", _("Audio to audio"), "audio-lines"),
        ("voice-activity-detection", _("Voice activity detection"), "activity"),
    ),
    *_tags(
        Modality.MULTIMODAL,
        ("image-text-to-text", _("Image and text to text"), "scan-text"),
        ("image-to-text", _("Image to text"), "scan-text"),
        ("image-text-to-image", _("Image and text to image"), "image"),
        ("image-text-to-video", _("Image and text to video"), "video"),
        ("visual-question-answering", _("Visual question answering"), "circle-question-mark"),
        ("document-question-answering", _("Document question answering"), "file-text"),
        ("visual-document-retrieval", _("Visual document retrieval"), "search"),
        ("video-text-to-text", _("Video and text to text"), "video"),
        ("audio-text-to-text", _("Audio and text to text"), "audio-lines"),
        ("any-to-any", _("Any to any"), "boxes"),
    ),
    *_tags(
        Modality.TABULAR,
        ("tabular-classification", _("Tabular classification"), "table-2"),
        ("tabular-regression", _("Tabular regression"), "table-2"),
        ("time-series-forecasting", _("Time series forecasting"), "activity"),
    ),
    *_tags(
        Modality.OTHER,
        ("reinforcement-learning", _("Reinforcement learning"), "play"),
        ("robotics", _("Robotics"), "cpu"),
        ("graph-ml", _("Graph machine learning"), "network"),
        ("other", _("Other"), "box"),
    ),
]
PIPELINE_TAGS: Final[dict[str, PipelineTag]] = {tag.id: tag for tag in _PIPELINE_TAGS}


def pipeline_tags_by_modality() -> dict[Modality, list[PipelineTag]]:
    """All tasks in the order in which pages list them."""
    groups: dict[Modality, list[PipelineTag]] = {modality: [] for modality in Modality}
    for tag in _PIPELINE_TAGS:
        groups[tag.modality].append(tag)
    return groups


def pipeline_label(tag_id: str) -> Label:
    """The label of a task; an id that we do not know is shown as it is written."""
    tag = PIPELINE_TAGS.get(tag_id)
    return tag.label if tag else tag_id


def pipeline_icon(tag_id: str) -> str:
    tag = PIPELINE_TAGS.get(tag_id)
    return tag.icon if tag else "box"


# --- libraries -------------------------------------------------------------------------------------------------------

#: Id → name as its authors write it (proper names: not translated).
LIBRARIES: Final[dict[str, str]] = {
    "transformers": "Transformers",
    "sentence-transformers": "Sentence Transformers",
    "diffusers": "Diffusers",
    "peft": "PEFT",
    "gguf": "GGUF",
    "onnx": "ONNX",
    "keras": "Keras",
    "sklearn": "scikit-learn",
    "skops": "skops",
    "pytorch": "PyTorch",
    "tf": "TensorFlow",
    "tf-keras": "TF-Keras",
    "jax": "JAX",
    "flax": "Flax",
    "safetensors": "Safetensors",
    "timm": "timm",
    "open_clip": "OpenCLIP",
    "spacy": "spaCy",
    "flair": "Flair",
    "fasttext": "fastText",
    "adapter-transformers": "Adapters",
    "setfit": "SetFit",
    "span-marker": "SpanMarker",
    "gliner": "GLiNER",
    "allennlp": "AllenNLP",
    "stanza": "Stanza",
    "bertopic": "BERTopic",
    "speechbrain": "SpeechBrain",
    "espnet": "ESPnet",
    "nemo": "NeMo",
    "pyannote-audio": "pyannote.audio",
    "asteroid": "Asteroid",
    "fairseq": "fairseq",
    "ultralytics": "Ultralytics",
    "mlx": "MLX",
    "vllm": "vLLM",
    "llama.cpp": "llama.cpp",
    "model2vec": "Model2Vec",
    "static-embeddings": "Static embeddings",
    "paddlepaddle": "PaddlePaddle",
    "paddlenlp": "PaddleNLP",
    "PaddleOCR": "PaddleOCR",
    "mindspore": "MindSpore",
    "stable-baselines3": "Stable-Baselines3",
    "ml-agents": "ML-Agents",
    "sample-factory": "Sample Factory",
    "lerobot": "LeRobot",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "fastai": "fastai",
    "openvino": "OpenVINO",
    "coreml": "Core ML",
    "tflite": "LiteRT (TFLite)",
    "executorch": "ExecuTorch",
    "transformers.js": "Transformers.js",
    "unity-sentis": "Unity Sentis",
    "datasets": "Datasets",
}


def library_label(library_id: str) -> str:
    return LIBRARIES.get(library_id, library_id)


# --- licences --------------------------------------------------------------------------------------------------------


class LicenseClass(StrEnum):
    """What a licence says about commercial use, in four words."""

    COMMERCIAL = "commercial"
    CONDITIONAL = "conditional"
    NON_COMMERCIAL = "non-commercial"
    UNKNOWN = "unknown"

    @property
    def label(self) -> Label:
        return _CLASS_LABELS[self]


_CLASS_LABELS: Final[dict[LicenseClass, Label]] = {
    LicenseClass.COMMERCIAL: _("Commercial use allowed"),
    LicenseClass.CONDITIONAL: _("Commercial use under conditions"),
    LicenseClass.NON_COMMERCIAL: _("No commercial use"),
    LicenseClass.UNKNOWN: _("Not stated"),
}


@dataclass(frozen=True, slots=True)
class Permissions:
    """A licence in plain words; a help for reading, not legal advice."""

    summary: Label
    can: tuple[Label, ...]
    must: tuple[Label, ...]
    cannot: tuple[Label, ...]


_USE, _CHANGE, _SHARE, _SELL = _("Use"), _("Change"), _("Share"), _("Use commercially")
_CREDIT, _SAME = _("Give credit and keep the notices"), _("Share changes under the same licence")
_SOURCE, _POLICY = _("Publish the source of what you distribute"), _("Follow its list of forbidden uses")
_NETWORK = _("Publish the source when others use it over a network")
_NO_WARRANTY, _NO_SALE, _NO_CHANGE = _("Hold the authors liable"), _("Use commercially"), _("Share changed versions")
_ALL: Final = (_USE, _CHANGE, _SHARE, _SELL)

_PUBLIC_DOMAIN: Final = Permissions(_("No conditions at all."), _ALL, (), (_NO_WARRANTY,))
_PERMISSIVE: Final = Permissions(_("Do what you like; keep the notice."), _ALL, (_CREDIT,), (_NO_WARRANTY,))
_COPYLEFT: Final = Permissions(
    _("Open; what you build on it and share stays open."), _ALL, (_CREDIT, _SAME, _SOURCE), (_NO_WARRANTY,)
)
_NETWORK_COPYLEFT: Final = Permissions(
    _("Open; services built on it must be open too."), _ALL, (_CREDIT, _SAME, _SOURCE, _NETWORK), (_NO_WARRANTY,)
)
_SHARE_ALIKE: Final = Permissions(
    _("Open; share changes under the same terms."), _ALL, (_CREDIT, _SAME), (_NO_WARRANTY,)
)
_NO_DERIVATIVES: Final = Permissions(
    _("Use and share it unchanged."), (_USE, _SHARE, _SELL), (_CREDIT,), (_NO_CHANGE, _NO_WARRANTY)
)
_RESPONSIBLE: Final = Permissions(
    _("Open, with a list of forbidden uses that travels along."), _ALL, (_CREDIT, _POLICY), (_NO_WARRANTY,)
)
_VENDOR: Final = Permissions(
    _("The publisher's own terms, with limits on who may use it and for what."),
    (_USE, _CHANGE, _SHARE),
    (_CREDIT, _POLICY),
    (_NO_WARRANTY,),
)
_NON_COMMERCIAL: Final = Permissions(
    _("For study and private use; no commercial use."),
    (_USE, _CHANGE, _SHARE),
    (_CREDIT,),
    (_NO_SALE, _NO_WARRANTY),
)
_NON_COMMERCIAL_SAME: Final = Permissions(
    _("No commercial use; share changes under the same terms."),
    (_USE, _CHANGE, _SHARE),
    (_CREDIT, _SAME),
    (_NO_SALE, _NO_WARRANTY),
)
_NON_COMMERCIAL_NO_DERIVATIVES: Final = Permissions(
    _("Share it unchanged, without commercial use."),
    (_USE, _SHARE),
    (_CREDIT,),
    (_NO_SALE, _NO_CHANGE, _NO_WARRANTY),
)
_UNSTATED: Final = Permissions(
    _("The terms are not among the known ones: read them before use, or ask the author."), (), (), ()
)


@dataclass(frozen=True, slots=True)
class License:
    """``id`` is the Hub's; ``spdx`` is empty where SPDX has no entry."""

    id: str
    name: str
    spdx: str
    license_class: LicenseClass
    permissions: Permissions

    @property
    def url(self) -> str:
        return f"https://spdx.org/licenses/{self.spdx}.html" if self.spdx else ""


def _licenses(license_class: LicenseClass, permissions: Permissions, *rows: tuple[str, str, str]) -> list[License]:
    return [License(hub_id, name, spdx, license_class, permissions) for hub_id, name, spdx in rows]


_LICENSES: Final = [
    *_licenses(
        LicenseClass.COMMERCIAL,
        _PERMISSIVE,
        ("apache-2.0", "Apache License 2.0", "Apache-2.0"),
        ("mit", "MIT License", "MIT"),
        ("bsd", "BSD licence family", ""),
        ("bsd-2-clause", "BSD 2-Clause License", "BSD-2-Clause"),
        ("bsd-3-clause", "BSD 3-Clause License", "BSD-3-Clause"),
        ("bsd-3-clause-clear", "BSD 3-Clause Clear License", "BSD-3-Clause-Clear"),
        ("cc", "Creative Commons licence family", ""),
        ("cc-by-2.0", "Creative Commons Attribution 2.0", "CC-BY-2.0"),
        ("cc-by-2.5", "Creative Commons Attribution 2.5", "CC-BY-2.5"),
        ("cc-by-3.0", "Creative Commons Attribution 3.0", "CC-BY-3.0"),
        ("cc-by-4.0", "Creative Commons Attribution 4.0", "CC-BY-4.0"),
        ("afl-3.0", "Academic Free License 3.0", "AFL-3.0"),
        ("artistic-2.0", "Artistic License 2.0", "Artistic-2.0"),
        ("bsl-1.0", "Boost Software License 1.0", "BSL-1.0"),
        ("cdla-permissive-1.0", "Community Data License Agreement Permissive 1.0", "CDLA-Permissive-1.0"),
        ("cdla-permissive-2.0", "Community Data License Agreement Permissive 2.0", "CDLA-Permissive-2.0"),
        ("ecl-2.0", "Educational Community License 2.0", "ECL-2.0"),
        ("etalab-2.0", "Etalab Open License 2.0", "etalab-2.0"),
        ("isc", "ISC License", "ISC"),
        ("ms-pl", "Microsoft Public License", "MS-PL"),
        ("ncsa", "University of Illinois/NCSA Open Source License", "NCSA"),
        ("odc-by", "Open Data Commons Attribution 1.0", "ODC-By-1.0"),
        ("ofl-1.1", "SIL Open Font License 1.1", "OFL-1.1"),
        ("openmdw-1.0", "OpenMDW License 1.0", ""),
        ("postgresql", "PostgreSQL License", "PostgreSQL"),
        ("zlib", "zlib License", "Zlib"),
        ("apple-ascl", "Apple Sample Code License", ""),
    ),
    *_licenses(
        LicenseClass.COMMERCIAL,
        _PUBLIC_DOMAIN,
        ("cc0-1.0", "Creative Commons Zero 1.0", "CC0-1.0"),
        ("unlicense", "The Unlicense", "Unlicense"),
        ("wtfpl", "Do What The F*ck You Want To Public License", "WTFPL"),
        ("pddl", "Open Data Commons Public Domain Dedication 1.0", "PDDL-1.0"),
    ),
    *_licenses(
        LicenseClass.COMMERCIAL,
        _SHARE_ALIKE,
        ("cc-by-sa-3.0", "Creative Commons Attribution ShareAlike 3.0", "CC-BY-SA-3.0"),
        ("cc-by-sa-4.0", "Creative Commons Attribution ShareAlike 4.0", "CC-BY-SA-4.0"),
        ("cdla-sharing-1.0", "Community Data License Agreement Sharing 1.0", "CDLA-Sharing-1.0"),
        ("odbl", "Open Database License 1.0", "ODbL-1.0"),
        ("gfdl", "GNU Free Documentation License", "GFDL-1.3-or-later"),
    ),
    *_licenses(
        LicenseClass.COMMERCIAL,
        _COPYLEFT,
        ("gpl", "GNU General Public License family", ""),
        ("gpl-2.0", "GNU General Public License 2.0", "GPL-2.0-only"),
        ("gpl-3.0", "GNU General Public License 3.0", "GPL-3.0-only"),
        ("lgpl", "GNU Lesser General Public License family", ""),
        ("lgpl-2.1", "GNU Lesser General Public License 2.1", "LGPL-2.1-only"),
        ("lgpl-3.0", "GNU Lesser General Public License 3.0", "LGPL-3.0-only"),
        ("lgpl-lr", "Lesser General Public License for Linguistic Resources", "LGPLLR"),
        ("mpl-2.0", "Mozilla Public License 2.0", "MPL-2.0"),
        ("epl-1.0", "Eclipse Public License 1.0", "EPL-1.0"),
        ("epl-2.0", "Eclipse Public License 2.0", "EPL-2.0"),
        ("lppl-1.3c", "LaTeX Project Public License 1.3c", "LPPL-1.3c"),
    ),
    *_licenses(
        LicenseClass.COMMERCIAL,
        _NETWORK_COPYLEFT,
        ("agpl-3.0", "GNU Affero General Public License 3.0", "AGPL-3.0-only"),
        ("eupl-1.1", "European Union Public License 1.1", "EUPL-1.1"),
        ("eupl-1.2", "European Union Public License 1.2", "EUPL-1.2"),
        ("osl-3.0", "Open Software License 3.0", "OSL-3.0"),
    ),
    *_licenses(
        LicenseClass.COMMERCIAL,
        _NO_DERIVATIVES,
        ("cc-by-nd-4.0", "Creative Commons Attribution NoDerivatives 4.0", "CC-BY-ND-4.0"),
    ),
    *_licenses(
        LicenseClass.CONDITIONAL,
        _RESPONSIBLE,
        ("openrail", "OpenRAIL licence family", ""),
        ("openrail++", "CreativeML Open RAIL++-M", ""),
        ("bigscience-openrail-m", "BigScience OpenRAIL-M", ""),
        ("creativeml-openrail-m", "CreativeML OpenRAIL-M", ""),
        ("bigscience-bloom-rail-1.0", "BigScience BLOOM RAIL 1.0", ""),
        ("bigcode-openrail-m", "BigCode OpenRAIL-M 1", ""),
    ),
    *_licenses(
        LicenseClass.CONDITIONAL,
        _VENDOR,
        ("llama2", "Llama 2 Community License", ""),
        ("llama3", "Llama 3 Community License", ""),
        ("llama3.1", "Llama 3.1 Community License", ""),
        ("llama3.2", "Llama 3.2 Community License", ""),
        ("llama3.3", "Llama 3.3 Community License", ""),
        ("llama4", "Llama 4 Community License", ""),
        ("grok2-community", "Grok 2 Community License", ""),
        ("gemma", "Gemma Terms of Use", ""),
    ),
    *_licenses(
        LicenseClass.NON_COMMERCIAL,
        _NON_COMMERCIAL,
        ("cc-by-nc-2.0", "Creative Commons Attribution NonCommercial 2.0", "CC-BY-NC-2.0"),
        ("cc-by-nc-3.0", "Creative Commons Attribution NonCommercial 3.0", "CC-BY-NC-3.0"),
        ("cc-by-nc-4.0", "Creative Commons Attribution NonCommercial 4.0", "CC-BY-NC-4.0"),
        ("c-uda", "Computational Use of Data Agreement", "C-UDA-1.0"),
        ("h-research", "H Research License", ""),
        ("intel-research", "Intel Research Use License", ""),
        ("apple-amlr", "Apple Model License for Research", ""),
        ("deepfloyd-if-license", "DeepFloyd IF Research License", ""),
        ("fair-noncommercial-research-license", "FAIR Noncommercial Research License", ""),
    ),
    *_licenses(
        LicenseClass.NON_COMMERCIAL,
        _NON_COMMERCIAL_SAME,
        ("cc-by-nc-sa-2.0", "Creative Commons Attribution NonCommercial ShareAlike 2.0", "CC-BY-NC-SA-2.0"),
        ("cc-by-nc-sa-3.0", "Creative Commons Attribution NonCommercial ShareAlike 3.0", "CC-BY-NC-SA-3.0"),
        ("cc-by-nc-sa-4.0", "Creative Commons Attribution NonCommercial ShareAlike 4.0", "CC-BY-NC-SA-4.0"),
    ),
    *_licenses(
        LicenseClass.NON_COMMERCIAL,
        _NON_COMMERCIAL_NO_DERIVATIVES,
        ("cc-by-nc-nd-3.0", "Creative Commons Attribution NonCommercial NoDerivatives 3.0", "CC-BY-NC-ND-3.0"),
        ("cc-by-nc-nd-4.0", "Creative Commons Attribution NonCommercial NoDerivatives 4.0", "CC-BY-NC-ND-4.0"),
    ),
    *_licenses(
        LicenseClass.UNKNOWN,
        _UNSTATED,
        ("other", "Other", ""),
        ("unknown", "Unknown", ""),
    ),
]
LICENSES: Final[dict[str, License]] = {license_.id: license_ for license_ in _LICENSES}


def license_label(license_id: str) -> str:
    known = LICENSES.get(license_id)
    return known.name if known else license_id


def license_class(license_id: str) -> LicenseClass:
    known = LICENSES.get(license_id)
    return known.license_class if known else LicenseClass.UNKNOWN


def license_ids_of(wanted: LicenseClass) -> list[str]:
    return [license_.id for license_ in _LICENSES if license_.license_class is wanted]


# --- languages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Language:
    """``code``: ISO 639; ``name`` in English, ``native`` in the language itself."""

    code: str
    name: str
    native: str


_LANGUAGE_TABLE: Final = """
en|English|English
zh|Chinese|中文
fr|French|Français
de|German|Deutsch
es|Spanish|Español
ja|Japanese|日本語
ko|Korean|한국어
ru|Russian|Русский
ar|Arabic|العربية
pt|Portuguese|Português
it|Italian|Italiano
hi|Hindi|हिन्दी
id|Indonesian|Bahasa Indonesia
vi|Vietnamese|Tiếng Việt
th|Thai|ไทย
tr|Turkish|Türkçe
nl|Dutch|Nederlands
pl|Polish|Polski
uk|Ukrainian|Українська
fa|Persian|فارسی
sv|Swedish|Svenska
fi|Finnish|Suomi
da|Danish|Dansk
no|Norwegian|Norsk
nb|Norwegian Bokmål|Norsk bokmål
nn|Norwegian Nynorsk|Norsk nynorsk
is|Icelandic|Íslenska
cs|Czech|Čeština
sk|Slovak|Slovenčina
sl|Slovenian|Slovenščina
hr|Croatian|Hrvatski
sr|Serbian|Српски
bs|Bosnian|Bosanski
bg|Bulgarian|Български
mk|Macedonian|Македонски
ro|Romanian|Română
hu|Hungarian|Magyar
el|Greek|Ελληνικά
he|Hebrew|עברית
et|Estonian|Eesti
lv|Latvian|Latviešu
lt|Lithuanian|Lietuvių
ca|Catalan|Català
eu|Basque|Euskara
gl|Galician|Galego
ga|Irish|Gaeilge
cy|Welsh|Cymraeg
gd|Scottish Gaelic|Gàidhlig
mt|Maltese|Malti
sq|Albanian|Shqip
be|Belarusian|Беларуская
ka|Georgian|ქართული
hy|Armenian|Հայերեն
az|Azerbaijani|Azərbaycanca
kk|Kazakh|Қазақша
ky|Kyrgyz|Кыргызча
uz|Uzbek|Oʻzbekcha
tg|Tajik|Тоҷикӣ
tk|Turkmen|Türkmençe
mn|Mongolian|Монгол
bo|Tibetan|བོད་ཡིག
ug|Uyghur|ئۇيغۇرچە
tt|Tatar|Татарча
bn|Bengali|বাংলা
ur|Urdu|اردو
pa|Punjabi|ਪੰਜਾਬੀ
gu|Gujarati|ગુજરાતી
mr|Marathi|मराठी
ta|Tamil|தமிழ்
te|Telugu|తెలుగు
kn|Kannada|ಕನ್ನಡ
ml|Malayalam|മലയാളം
or|Odia|ଓଡ଼ିଆ
as|Assamese|অসমীয়া
ne|Nepali|नेपाली
si|Sinhala|සිංහල
sa|Sanskrit|संस्कृतम्
sd|Sindhi|سنڌي
ps|Pashto|پښتو
ku|Kurdish|Kurdî
my|Burmese|မြန်မာ
km|Khmer|ខ្មែរ
lo|Lao|ລາວ
ms|Malay|Bahasa Melayu
jv|Javanese|Basa Jawa
su|Sundanese|Basa Sunda
tl|Tagalog|Tagalog
sw|Swahili|Kiswahili
am|Amharic|አማርኛ
ti|Tigrinya|ትግርኛ
so|Somali|Soomaali
om|Oromo|Oromoo
ha|Hausa|Hausa
ig|Igbo|Igbo
yo|Yoruba|Yorùbá
zu|Zulu|isiZulu
xh|Xhosa|isiXhosa
st|Southern Sotho|Sesotho
tn|Tswana|Setswana
sn|Shona|chiShona
rw|Kinyarwanda|Ikinyarwanda
ny|Chichewa|Chichewa
lg|Ganda|Luganda
wo|Wolof|Wolof
ln|Lingala|Lingála
mg|Malagasy|Malagasy
af|Afrikaans|Afrikaans
fy|Western Frisian|Frysk
lb|Luxembourgish|Lëtzebuergesch
oc|Occitan|Occitan
br|Breton|Brezhoneg
co|Corsican|Corsu
la|Latin|Latina
eo|Esperanto|Esperanto
yi|Yiddish|ייִדיש
ht|Haitian Creole|Kreyòl ayisyen
qu|Quechua|Runa Simi
gn|Guarani|Avañe’ẽ
ay|Aymara|Aymar aru
mi|Maori|Te reo Māori
sm|Samoan|Gagana Samoa
haw|Hawaiian|ʻŌlelo Hawaiʻi
yue|Cantonese|粵語
wuu|Wu Chinese|吴语
lzh|Literary Chinese|文言
grc|Ancient Greek|Ἀρχαία ἑλληνική
multilingual|Multilingual|
code|Programming languages|
"""
LANGUAGES: Final[dict[str, Language]] = {
    code: Language(code, name, native or name)
    for code, name, native in (row.split("|") for row in _LANGUAGE_TABLE.strip().splitlines())
}


def language_label(code: str) -> str:
    """The language's name; a code that we do not know (or a tag such as ``zh-tw``) by its first part, else as is."""
    known = LANGUAGES.get(code) or LANGUAGES.get(code.split("-", maxsplit=1)[0])
    if known is None:
        return code
    name = _language_names(get_language() or "en").get(known.code, known.name)
    return name if known.code == code else f"{name} ({code})"


@cache
def _language_names(language: str) -> Mapping[str, str]:
    """What languages are called in ``language``, by code; the table here is English."""
    return {} if language == "en" else Locale.parse(to_locale(language)).languages
