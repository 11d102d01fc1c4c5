// EXIF orientation: where it is stored and what it means. Reads the one tag and refuses nothing: a
// malformed block means an upright image, as it does to other readers.
// Specification: Exif 2.32, section 4.6 (TIFF structure, tag 0x0112).
#pragma once

#include <cstddef>
#include <span>

#include <qe/image.h>

namespace qe::image {

// The orientation of an EXIF block, with or without "Exif\0\0" before it: 1 to 8, 1 if none.
int exif_orientation(std::span<const std::byte> block);

// The upright image of one stored with `orientation`.
Image upright(Image image, int orientation);

}  // namespace qe::image
