"""Making labelled sets: checking and counting them, and the way to an annotation tool and back."""

from enum import StrEnum


class Tool(StrEnum):
    """The annotation tools whose files are written and read."""

    label_studio = "label-studio"
    doccano = "doccano"
    prodigy = "prodigy"
