# SPDX-License-Identifier: Apache-2.0
"""Finds what is opaque in a record's text, once, so that a copy of the record is nothing but a join of byte strings.

A record becomes the ids of its parts: literals, which every copy shares, and tokens, which each copy makes anew. Keys,
names that AWS defines (eventName and its like) and everything inside an escape stay as they are."""

import base64
import calendar
import re
import time

KEPT_KEYS = {"eventName", "eventSource", "awsRegion", "eventVersion", "eventType", "eventCategory", "apiVersion", "errorCode",
             "type", "tlsVersion", "cipherSuite", "CipherSuite", "Version", "keySpec", "instanceType", "status",
             "encryptionAlgorithm", "SignatureVersion", "AuthenticationMethod", "policyDocument", "signingAlgorithm"}
ID_KEYS = {"eventID", "requestID", "requestId", "sharedEventID", "x-amz-request-id"}
BASE64_KEYS = {"x-amz-id-2", "sessionToken"}
BASE64_TEXT_KEYS = {"x-amz-server-side-encryption-context"}

STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')
UUID = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-zA-Z])")
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
INNER = re.compile(
    r"(?P<escape>\\u[0-9a-fA-F]{4}|\\.)"
    rf"|(?P<uuid>{UUID.pattern})"
    r"|(?P<time>(?<![0-9])(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9])"
    r"|(?P<stamp>(?<![0-9])20[0-9]{2}[01][0-9][0-3][0-9]T[0-2][0-9][0-5][0-9](?:[0-5][0-9])?Z)"
    r"|(?P<path>(?<=/)20[0-9]{2}/[01][0-9]/[0-3][0-9](?=/))"
    rf"|(?P<words>\b(?:{'|'.join(MONTHS)}) [0-9]{{1,2}}, 20[0-9]{{2}},? [0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}} [AP]M)"
    r"|(?P<key>\b(?:AKIA|ASIA|AIDA|AROA|AGPA|ANPA|ANVA|APKA|ABIA|ACCA|ASCA)[A-Z0-9]{12,20}\b)"
    r"|(?P<account>(?<![0-9A-Za-z])[0-9]{12}(?![0-9A-Za-z]))"
    r"|(?P<resource>\b(?:i|vol|snap|ami|ari|aki|eni|vpc|vpce|subnet|sg|sgr|rtb|rtbassoc|igw|nat|acl|aclassoc|eipalloc|"
    r"eipassoc|r|lt|fl|pcx|dopt|fs|key|cgw|vgw|tgw|o|ou|p|d|mi|eni-attach)-(?=[0-9a-z]*[0-9])[0-9a-z]{8,17}\b)"
    r"|(?P<suffix>(?<=Z_)[A-Za-z0-9]{8,16}(?=\.))"
    r"|(?P<run>[A-Za-z0-9+]{8,}={0,2})")
WORDS = {"base64", "sha256", "x86_64", "utf8"}
ALPHABETS = {
    "hex": "0123456789abcdef", "HEX": "0123456789ABCDEF", "digits": "0123456789", "base32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "crockford": "0123456789ABCDEFGHJKMNPQRSTVWXYZ", "base36": "0123456789abcdefghijklmnopqrstuvwxyz",
    "BASE36": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "base62": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "base64": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"}
LAST_OF_PAD = {1: "AEIMQUYcgkosw048", 2: "AQgw"}
SETS = {name: frozenset(letters) for name, letters in ALPHABETS.items()}
ID_FREE = re.compile(r"[0-9]+|[a-z]+|[A-Z][a-z]+|[A-Z]+")


def alphabet_of(text):
    letters = set(text)
    return next((name for name in ("digits", "hex", "HEX", "base32", "crockford", "base36", "BASE36", "base62", "base64")
                 if letters <= SETS[name]), None)


def is_random(run):
    """Made by a random generator, as far as one can tell: changes its kind of letter far more often than words do."""
    if run in WORDS:
        return False
    body = run.rstrip("=")
    parts = len(ID_FREE.findall(body))
    digits = sum(c.isdigit() for c in body)
    if digits == len(body):
        return len(body) >= 13
    if digits == 0:
        return len(body) >= 16 and parts >= len(body) / 2.6
    if all(c in SETS["hex"] for c in body):
        return parts >= 3
    return parts >= 4 and parts >= len(body) / 3.6


class Corpus:
    """Literals and tokens of all records, each distinct one once. A part's id is its place in `parts`."""

    def __init__(self):
        self.parts = []      # bytes: a literal; tuple: (kind, ...) of a token
        self.known = {}
        self.values = {}

    def part(self, value):
        found = self.known.get(value)
        if found is None:
            found = self.known[value] = len(self.parts)
            self.parts.append(value)
        return found

    def split(self, text, group):
        """Ids of the parts of one record; `group`: the day whose move the record's times share."""
        ids, key, at = [], None, 0
        for match in STRING.finditer(text):
            value = match.group(1)
            if match.group(2):
                key = value
            elif value and key not in KEPT_KEYS:
                base = match.start(1)
                for start, end, token in self.value(key, value, group):
                    if base + start > at:
                        ids.append(self.part(text[at:base + start].encode()))
                    ids.append(self.part(token))
                    at = base + end
        ids.append(self.part(text[at:].encode()))
        return ids

    def value(self, key, text, group):
        """(start, end, token) of a value's tokens; values repeat, so what was found is kept."""
        found = self.values.get((key, text, group))
        if found is None:
            found = self.values[key, text, group] = self.spans(key, text, group)
        return found

    def spans(self, key, text, group):
        if key == "userAgent":
            return [(m.start(), m.end(), ("uuid", m.group())) for m in UUID.finditer(text)]
        if key in BASE64_TEXT_KEYS:
            return self.base64_text(text, group)
        body = text.rstrip("=")
        if key in BASE64_KEYS and set(body) <= SETS["base64"]:
            return blob(text, min(16, len(text) // 4) if key == "sessionToken" else 0, "base64")
        if key in ID_KEYS and not UUID.fullmatch(text) and alphabet_of(body):
            return blob(text, 0, "crockford" if len(text) == 16 and set(body) <= SETS["crockford"] else alphabet_of(body))
        if key == "eventID" and not UUID.fullmatch(text):
            return [(0, len(text), ("fresh", text))]  # masked or made up; the same id in two copies would be one event
        return inner(text, group)

    def base64_text(self, text, group):
        try:
            plain = base64.b64decode(text, validate=True).decode()
        except ValueError:
            return inner(text, group)
        return [(0, len(text), ("b64text", tuple(self.split(plain, group))))]


def blob(text, kept, alphabet):
    """Random text but for its first letters and runs of one letter."""
    spans, start = [], kept
    for match in list(re.finditer(r"([/A])\1{7,}", text[kept:])) + [None]:
        end = len(text) if match is None else kept + match.start()
        piece = text[start:end]
        pad = len(piece) - len(piece.rstrip("="))
        if piece:
            spans.append((start, end, ("chars", alphabet, piece, pad)))
        if match is not None:
            start = kept + match.end()
    return spans


def inner(text, group):
    spans = []
    for match in INNER.finditer(text):
        kind, found, start, end = match.lastgroup, match.group(), match.start(), match.end()
        if kind == "uuid" or kind == "account":
            spans.append((start, end, (kind, found)))
        elif kind in TIME_FORMATS:
            made = moment(kind, found, group)
            if made is not None:
                spans.append((start, end, made))
        elif kind == "key":
            spans.append((start + 4, end, ("chars", "base32", found[4:], 0)))
        elif kind == "resource":
            dash = found.rindex("-") + 1
            spans.append((start + dash, end, ("chars", alphabet_of(found[dash:]), found[dash:], 0)))
        elif kind == "suffix" or kind == "run" and is_random(found):
            body = found.rstrip("=")
            if alphabet_of(body):
                spans.append((start, end, ("chars", alphabet_of(body), found, len(found) - len(body))))
    return spans


TIME_FORMATS = {"time": ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"), "stamp": ("%Y%m%dT%H%M%SZ", "%Y%m%dT%H%MZ"),
                "path": ("%Y/%m/%d",), "words": ("%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p")}


def moment(kind, text, group):
    """A token of a time: its format, seconds since 1970 and the group it moves with; None when it is no date."""
    for form in TIME_FORMATS[kind]:
        try:
            seconds = calendar.timegm(time.strptime(text, form))
        except ValueError:
            continue
        if kind == "words" or time.strftime(form, time.gmtime(seconds)) == text:
            return ("time", form, seconds, group)
    return None
