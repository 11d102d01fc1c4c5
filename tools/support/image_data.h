// Where images come from: a table, a tree of class folders, the CIFAR-10 binary file, or plain
// files and directories. All are read as a stream of images that are not decoded yet, so that
// memory does not grow with the set. Refuses labels outside the model's, and paths in a table that
// lead out of its folder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <qe/image.h>

namespace qe::tools {

// One image of a set, not decoded.
struct ImageRow {
  std::size_t number = 0;  // line of a table; else the place in the set, from 1
  std::string name;        // path of the file, or "FILE: record N"
  std::optional<int> label;
  std::function<Image()> decode;  // callable on any thread; throws as decode_image
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;

  // The next image; false at the end. After a DataError (about one row) the rest can still be read.
  // Throws DataError, IoError.
  virtual bool next(ImageRow& row) = 0;
};

struct ImageDataOptions {
  std::vector<std::string> labels = {};  // names by class index
  bool labelled = true;                  // false: labels are not needed and not read
  DecodeOptions decode = {};
};

// The set at `path`:
//  - a directory: one folder a class, whose files (.jpg, .jpeg, .png, .webp, at any depth) come by
//    name. Folders are classes by their name or the index it spells; if not all are, and they are
//    as many as the labels, by their order. Unlabelled: any directory.
//  - a file *.bin: CIFAR-10 records of a label byte and 3 x 32 x 32 bytes.
//  - any other file: a table with the columns `image` (path relative to the table's folder) and
//    `label` (name or index); others are ignored.
// Throws DataError for a set that cannot be used at all; IoError.
std::unique_ptr<ImageSource> open_images(const std::filesystem::path& path,
                                         const ImageDataOptions& options);

// Unlabelled: each path a file, or a directory whose image files come by name. A path that is not
// there and a directory without images are errors in their turn: DataError of decode and of next.
std::unique_ptr<ImageSource> open_image_files(const std::vector<std::string>& paths,
                                              const DecodeOptions& options);

}  // namespace qe::tools
