#!/usr/bin/env python3
"""Asks the peer tokenizer about every Unicode scalar and writes where it differs from ICU.

The peer (Hugging Face `tokenizers`, version pinned below) carries its own Unicode tables, of
several ages. This script observes, for every scalar alone and between letters, what the peer's
clean-up, splitting, accent stripping, decomposition, lower-casing and added-token matching do,
compares with the installed ICU (through ctypes, the same library the C++ code links) and writes
the differences as tokenizer/unicode_exceptions.h.

  tokenizer_unicode_sweep.py            check that the committed header is what would be written
  tokenizer_unicode_sweep.py --write    write it
"""
import argparse
import ctypes
import ctypes.util
import pathlib
import re
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

PEER_VERSION = "0.23.3"
HEADER = pathlib.Path(__file__).resolve().parents[2] / "tokenizer" / "unicode_exceptions.h"

SPACE, REMOVED, PUNCTUATION, MARK, WORD = 1, 2, 4, 8, 16
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
ASCII_PUNCTUATION = set(range(33, 48)) | set(range(58, 65)) | set(range(91, 97)) | set(range(123, 127))


class Icu:
    """The ICU functions that tokenizer/unicode.cpp uses, by the same rules."""

    def __init__(self):
        name = ctypes.util.find_library("icuuc")
        self.version = re.search(r"\.(\d+)$", name).group(1)
        lib = ctypes.CDLL(name)
        get = lambda f: getattr(lib, f"{f}_{self.version}")
        self.char_type, self.is_space, self.lower = get("u_charType"), get("u_isUWhiteSpace"), get("u_tolower")
        self.has_property, self.combining = get("u_hasBinaryProperty"), get("u_getCombiningClass")
        for function in (self.char_type, self.is_space, self.has_property, self.combining):
            function.restype = ctypes.c_uint8  # C leaves the rest of the register undefined
        instance = get("unorm2_getNFDInstance")
        instance.restype = ctypes.c_void_p
        self.nfd = ctypes.c_void_p(instance(ctypes.byref(ctypes.c_int(0))))
        self.get_decomposition = get("unorm2_getDecomposition")
        self.buffer = (ctypes.c_uint16 * 32)()

    def flags(self, c):
        kind = self.char_type(c)
        flags = SPACE if self.is_space(c) else 0
        if (kind in (15, 16, 17, 18) and c not in (9, 10, 13)) or c in (0, 0xFFFD):
            flags |= REMOVED  # Cc Cf Co Cs
        if kind in (19, 20, 21, 22, 23, 28, 29) or c in ASCII_PUNCTUATION:
            flags |= PUNCTUATION  # Pd Ps Pe Pc Po Pi Pf
        if kind == 6:
            flags |= MARK  # Mn
        # \w: Alphabetic, marks, decimal digits, connector punctuation, Join_Control
        if self.has_property(c, 0) or kind in (6, 7, 8, 9, 22) or self.has_property(c, 20):
            flags |= WORD
        return flags

    def decompose(self, c):
        length = self.get_decomposition(self.nfd, c, self.buffer, 32, ctypes.byref(ctypes.c_int(0)))
        if length < 0:
            return chr(c)
        return bytes(memoryview(self.buffer)[:length]).decode("utf-16-le")


class Peer:
    """The same questions, answered by watching what the peer does to text."""

    def __init__(self):
        def bert(**options):
            off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
            return normalizers.BertNormalizer(**{**off, **options}).normalize_str

        self.clean, self.strip, self.lower = bert(clean_text=True), bert(strip_accents=True), bert(lowercase=True)
        self.decompose = normalizers.NFD().normalize_str
        self.split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
        words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        words.add_special_tokens([AddedToken("[X]", single_word=True)])
        marker = words.token_to_id("[X]")
        hits = words.encode_batch([chr(c) + "[X]" for c in SCALARS])
        self.word = {c for c, e in zip(SCALARS, hits) if marker not in e.ids}

    def flags(self, c, icu_flags):
        text = chr(c)
        between = "a" + text + "b"
        pieces = len(self.split(between))
        flags = {1: 0, 2: SPACE, 3: PUNCTUATION}[pieces]
        cleaned = self.clean(between)
        assert cleaned in ("ab", "a b", between) and (self.clean(text) == cleaned[1:-1]), hex(c)
        if cleaned == "ab":
            flags |= REMOVED
        # What decomposes never reaches the mark filter itself.
        if self.decompose(text) != text:
            flags |= icu_flags & MARK
        elif self.strip(between) == "ab":
            flags |= MARK
        return flags | (WORD if c in self.word else 0)

    def combining_classes(self, icu):
        """Canonical combining class by the order the peer gives to pairs of marks."""
        lowest, highest = "\u0334", "\u0345"  # of class 1 and 240
        swapped = lambda a, b: a != b and self.decompose(a + b) == b + a
        marks = [chr(c) for c in SCALARS if self.decompose(chr(c)) == chr(c)]
        marks = [m for m in marks if m in (lowest, highest) or swapped(highest, m) or swapped(m, lowest)]
        samples = {}
        for mark in marks:
            samples.setdefault(icu.combining(ord(mark)), mark)
        classes = {}
        for mark in marks:
            equal = [k for k, sample in samples.items()
                     if not swapped(mark, sample) and not swapped(sample, mark)]
            assert len(equal) == 1, (hex(ord(mark)), equal)
            classes[ord(mark)] = equal[0]
        return classes


def ranges(table):
    """[(first, last, value)] of a dict from code points."""
    out = []
    for c in sorted(table):
        if out and out[-1][1] == c - 1 and out[-1][2] == table[c]:
            out[-1][1] = c
        else:
            out.append([c, c, table[c]])
    return out


def find_exceptions():
    icu, peer = Icu(), Peer()
    flags, lower, decompositions = {}, {}, {}
    for c in SCALARS:
        ours = icu.flags(c)
        theirs = peer.flags(c, ours)
        if ours != theirs:
            flags[c] = theirs
        mapped = peer.lower(chr(c))
        assert peer.lower("a" + chr(c) + "b") == "a" + mapped + "b", hex(c)
        if mapped != chr(icu.lower(c)):
            lower[c] = mapped
        decomposed = peer.decompose(chr(c))
        if decomposed != icu.decompose(c):
            decompositions[c] = decomposed
    classes = peer.combining_classes(icu)
    combining = {}
    for c in SCALARS:
        if peer.decompose(chr(c)) == chr(c) and icu.combining(c) != classes.get(c, 0):
            combining[c] = classes.get(c, 0)
    return icu.version, flags, combining, lower, decompositions


def wrapped(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 100:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join(lines + ([line] if line.strip() else []))


def render(version, flags, combining, lower, decompositions):
    scalar = lambda text: ", ".join(f"0x{ord(t):X}" for t in text)
    mapping = lambda table: wrapped(f"{{0x{c:X}, {{{scalar(text)}}}}}" for c, text in sorted(table.items()))
    span = lambda table: wrapped(f"{{0x{a:X}, 0x{b:X}, {v}}}" for a, b, v in ranges(table))
    count = len(set(flags) | set(combining) | set(lower) | set(decompositions))
    widest = max([len(t) for t in list(lower.values()) + list(decompositions.values())] + [1])
    assert widest <= 4
    return f"""// Generated by tests/oracle/tokenizer_unicode_sweep.py; do not edit.
// The {count} code points on which tokenizers {PEER_VERSION} differs from ICU {version}, laid over ICU by
// tokenizer/unicode.cpp. Tables are sorted by code point.
#pragma once

#include <cstdint>

namespace qe::tokenizer {{

struct ExceptionRange {{
  char32_t first;
  char32_t last;
  std::uint8_t value;
}};
struct ExceptionMapping {{
  char32_t from;
  char32_t to[4];  // unused places are 0
}};

// clang-format off
// Value: CharacterFlags.
inline constexpr ExceptionRange kFlagExceptions[] = {{
{span(flags)}
}};

// Value: canonical combining class.
inline constexpr ExceptionRange kCombiningExceptions[] = {{
{span(combining)}
}};

inline constexpr ExceptionMapping kLowercaseExceptions[] = {{
{mapping(lower)}
}};

inline constexpr ExceptionMapping kDecompositionExceptions[] = {{
{mapping(decompositions)}
}};
// clang-format on

}}  // namespace qe::tokenizer
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the header instead of checking it")
    arguments = parser.parse_args()
    if tokenizers.__version__ != PEER_VERSION:
        sys.exit(f"tokenizers {PEER_VERSION} is needed, found {tokenizers.__version__}")
    text = render(*find_exceptions())
    if arguments.write:
        HEADER.write_text(text)
        print(f"wrote {HEADER}")
    elif HEADER.read_text() != text:
        sys.exit(f"{HEADER} is not what the sweep of {len(SCALARS)} scalars gives; run with --write")
    else:
        print(f"{HEADER.name} agrees with the sweep of {len(SCALARS)} scalars")


if __name__ == "__main__":
    main()
