// One class for each kind of set.
#include "tools/support/image_data.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <qe/error.h>

#include "tools/support/text.h"
#include "tools/support/tsv.h"

namespace qe::tools {
namespace {

namespace fs = std::filesystem;

std::ifstream open_stream(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw IoError({.problem = std::strerror(errno), .file = file.string()});
  return stream;
}

std::function<Image()> decoder_of(const fs::path& file, const DecodeOptions& options) {
  return [file, options] { return decode_image(file, options); };
}

bool is_image_name(const fs::path& file) {
  std::string extension = file.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array kExtensions = {".jpg", ".jpeg", ".png", ".webp"};
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

// By path. Throws IoError where the tree cannot be read.
std::vector<fs::path> image_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;  // an entry that vanished is not a file
    if (is_image_name(entry->path()) && entry->is_regular_file(ignored)) {
      files.push_back(entry->path());
    }
  }
  if (error) throw IoError({.problem = error.message(), .file = directory.string()});
  std::sort(files.begin(), files.end());
  return files;
}

class TableSource final : public ImageSource {
 public:
  TableSource(const fs::path& file, const ImageDataOptions& options)
      : stream_(open_stream(file)),
        table_(stream_, file.string()),
        folder_(file.parent_path()),
        options_(options),
        image_column_(table_.require("image")) {
    if (options_.labelled) label_column_ = table_.require("label");
  }

  bool next(ImageRow& row) override {
    std::string line;
    if (!table_.next_line(line)) return false;
    const std::vector<std::string> fields = table_.fields(line);
    const fs::path file = inside(fields[image_column_]);
    row.number = table_.line_number();
    row.name = file.string();
    row.label.reset();
    if (label_column_) row.label = table_.label(options_.labels, fields[*label_column_]);
    row.decode = decoder_of(file, options_.decode);
    return true;
  }

 private:
  fs::path inside(const std::string& field) const {
    const fs::path path = fs::path(field).lexically_normal();
    if (field.empty() || path.is_absolute() || *path.begin() == "..") {
      table_.fail("unusable path of an image", "a path inside the table's folder", quote(field));
    }
    return folder_ / path;
  }

  std::ifstream stream_;
  TsvReader table_;
  fs::path folder_;
  ImageDataOptions options_;
  std::size_t image_column_;
  std::optional<std::size_t> label_column_;
};

// Files and folders of files one after the other; a folder is listed when its turn comes.
class PathSource final : public ImageSource {
 public:
  struct Place {
    fs::path path;
    std::optional<int> label;  // of all its images
  };

  PathSource(std::vector<Place> places, const DecodeOptions& options)
      : places_(std::move(places)), options_(options) {}

  bool next(ImageRow& row) override {
    while (next_file_ == files_.size()) {
      if (next_place_ == places_.size()) return false;
      next_file_ = 0;
      files_.clear();
      files_ = files_at(places_[next_place_++]);
    }
    const fs::path& file = files_[next_file_++];
    row = {.number = ++number_,
           .name = file.string(),
           .label = places_[next_place_ - 1].label,
           .decode = decoder_of(file, options_)};
    return true;
  }

 private:
  // What is no folder is a file, whose decoding says what is wrong with it. A class may be empty.
  static std::vector<fs::path> files_at(const Place& place) {
    std::error_code error;
    if (!fs::is_directory(place.path, error)) return {place.path};
    std::vector<fs::path> found = image_files(place.path);
    if (found.empty() && !place.label) {
      throw DataError({.problem = "has no images",
                       .file = place.path.string(),
                       .expected = "files named .jpg, .jpeg, .png or .webp"});
    }
    return found;
  }

  std::vector<Place> places_;
  DecodeOptions options_;
  std::size_t next_place_ = 0;
  std::vector<fs::path> files_;
  std::size_t next_file_ = 0;
  std::size_t number_ = 0;
};

std::vector<PathSource::Place> class_folders(const fs::path& directory,
                                             const std::vector<std::string>& labels) {
  std::vector<PathSource::Place> folders;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_directory(error)) folders.push_back({.path = entry->path(), .label = {}});
  }
  if (error) throw IoError({.problem = error.message(), .file = directory.string()});
  std::sort(folders.begin(), folders.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  std::string unknown;
  for (PathSource::Place& folder : folders) {
    folder.label = find_label(labels, folder.path.filename().string());
    if (!folder.label && unknown.empty()) unknown = folder.path.filename().string();
  }
  if (folders.empty()) {
    throw DataError({.problem = "has no folders",
                     .file = directory.string(),
                     .expected = "one folder of images a class"});
  }
  if (unknown.empty()) return folders;
  if (folders.size() != labels.size()) {
    throw DataError({.problem = "a folder is not a label",
                     .file = directory.string(),
                     .name = quote(unknown),
                     .expected = joined(labels) + ", or as many folders as labels (" +
                                 std::to_string(labels.size()) + ")",
                     .actual = std::to_string(folders.size()) + " folders"});
  }
  for (std::size_t i = 0; i < folders.size(); ++i) folders[i].label = static_cast<int>(i);
  return folders;
}

class CifarSource final : public ImageSource {
 public:
  CifarSource(const fs::path& file, const ImageDataOptions& options)
      : stream_(open_stream(file)), file_(file.string()), options_(options) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file, error);
    if (error) throw IoError({.problem = error.message(), .file = file_});
    if (size > 0 && size % kRecord == 0) return;
    throw DataError({.problem = "is not a CIFAR-10 file",
                     .file = file_,
                     .expected = "whole records of " + std::to_string(kRecord) + " bytes",
                     .actual = std::to_string(size) + " bytes"});
  }

  bool next(ImageRow& row) override {
    std::array<char, kRecord> record{};
    stream_.read(record.data(), kRecord);
    if (stream_.gcount() == 0 && stream_.eof()) return false;
    if (stream_.gcount() != kRecord) {
      throw IoError({.problem = "cannot read", .file = file_});
    }
    const std::string name = "record " + std::to_string(++number_);
    row.number = number_;
    row.name = file_ + ": " + name;
    row.label.reset();
    if (options_.labelled) row.label = label(static_cast<unsigned char>(record[0]), name);
    row.decode = [record] { return interleave(record); };
    return true;
  }

 private:
  static constexpr int kSide = 32;
  static constexpr std::size_t kPlane = kSide * kSide;
  static constexpr std::size_t kRecord = 1 + 3 * kPlane;

  int label(int value, const std::string& name) const {
    if (value < static_cast<int>(options_.labels.size())) return value;
    throw DataError({.problem = "unknown label",
                     .file = file_,
                     .name = name,
                     .expected = "0 to " + std::to_string(options_.labels.size() - 1),
                     .actual = std::to_string(value)});
  }

  static Image interleave(const std::array<char, kRecord>& record) {
    Image image{.width = kSide, .height = kSide, .rgb = {}};
    image.rgb.resize(3 * kPlane);
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t i = 0; i < kPlane; ++i) {
        image.rgb[3 * i + c] = static_cast<std::uint8_t>(record[1 + c * kPlane + i]);
      }
    }
    return image;
  }

  std::ifstream stream_;
  std::string file_;
  ImageDataOptions options_;
  std::size_t number_ = 0;
};

}  // namespace

std::unique_ptr<ImageSource> open_images(const fs::path& path, const ImageDataOptions& options) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    if (!options.labelled) return open_image_files({path.string()}, options.decode);
    return std::make_unique<PathSource>(class_folders(path, options.labels), options.decode);
  }
  if (path.extension() == ".bin") return std::make_unique<CifarSource>(path, options);
  return std::make_unique<TableSource>(path, options);
}

std::unique_ptr<ImageSource> open_image_files(const std::vector<std::string>& paths,
                                              const DecodeOptions& options) {
  std::vector<PathSource::Place> places;
  places.reserve(paths.size());
  for (const std::string& path : paths) places.push_back({.path = path, .label = {}});
  return std::make_unique<PathSource>(std::move(places), options);
}

}  // namespace qe::tools
