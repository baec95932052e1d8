"""The closed lists of what the Neo4j store's graph is made of."""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """Kinds of node."""

    USER = "User"
    ITEM = "Item"
    ATTRIBUTE = "Attribute"
    REASON = "Reason"
    REJECTED_REASON = "RejectedReason"
    KNOWLEDGE = "Knowledge"
    RUN = "Run"
    USER_STATUS = "UserStatus"
    DRAFT = "Draft"
    PACKED_GRAPH = "PackedGraph"
    VECTOR_SPACE = "VectorSpace"
    THEME = "Theme"
    THEME_TEXT = "ThemeText"
    PROFILE_SOURCE = "ProfileSource"
    SCHEMA = "LlmrgSchema"


class Relation(StrEnum):
    """Kinds of relation."""

    TOOK = "TOOK"
    HAS = "HAS"
    LEADS_TO = "LEADS_TO"
    REJECTED = "REJECTED"
    ABOUT = "ABOUT"
    REUSES = "REUSES"
    KNOWN_FOR = "KNOWN_FOR"
    OF = "OF"
    APPEALS_FOR = "APPEALS_FOR"
    RECOMMENDED = "RECOMMENDED"
