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

// Files of one folder after the other; those of a folder are listed when their turn comes.
class FolderSource final : public ImageSource {
 public:
  struct Folder {
    fs::path path;
    std::optional<int> label;
  };

  FolderSource(std::vector<Folder> folders, const DecodeOptions& options)
      : folders_(std::move(folders)), options_(options) {}

  bool next(ImageRow& row) override {
    while (next_file_ == files_.size()) {
      if (next_folder_ == folders_.size()) return false;
      next_file_ = 0;
      files_ = image_files(folders_[next_folder_++].path);
    }
    const fs::path& file = files_[next_file_++];
    row = {.number = ++number_,
           .name = file.string(),
           .label = folders_[next_folder_ - 1].label,
           .decode = decoder_of(file, options_)};
    return true;
  }

 private:
  std::vector<Folder> folders_;
  DecodeOptions options_;
  std::size_t next_folder_ = 0;
  std::vector<fs::path> files_;
  std::size_t next_file_ = 0;
  std::size_t number_ = 0;
};

std::vector<FolderSource::Folder> class_folders(const fs::path& directory,
                                                const std::vector<std::string>& labels) {
  std::vector<FolderSource::Folder> folders;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_directory(error)) folders.push_back({.path = entry->path(), .label = {}});
  }
  if (error) throw IoError({.problem = error.message(), .file = directory.string()});
  std::sort(folders.begin(), folders.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  std::string unknown;
  for (FolderSource::Folder& folder : folders) {
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

class FileSource final : public ImageSource {
 public:
  FileSource(std::vector<fs::path> files, const DecodeOptions& options)
      : files_(std::move(files)), options_(options) {}

  bool next(ImageRow& row) override {
    if (next_ == files_.size()) return false;
    const fs::path& file = files_[next_++];
    row = {
        .number = next_, .name = file.string(), .label = {}, .decode = decoder_of(file, options_)};
    return true;
  }

 private:
  std::vector<fs::path> files_;
  DecodeOptions options_;
  std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<ImageSource> open_images(const fs::path& path, const ImageDataOptions& options) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    if (!options.labelled) return open_image_files({path.string()}, options.decode);
    return std::make_unique<FolderSource>(class_folders(path, options.labels), options.decode);
  }
  if (path.extension() == ".bin") return std::make_unique<CifarSource>(path, options);
  return std::make_unique<TableSource>(path, options);
}

std::unique_ptr<ImageSource> open_image_files(const std::vector<std::string>& paths,
                                              const DecodeOptions& options) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) throw DataError({.problem = "no such file", .file = path});
    if (!fs::is_directory(status)) {
      files.emplace_back(path);
      continue;
    }
    const std::vector<fs::path> found = image_files(path);
    if (found.empty()) {
      throw DataError({.problem = "has no images",
                       .file = path,
                       .expected = "files named .jpg, .jpeg, .png or .webp"});
    }
    files.insert(files.end(), found.begin(), found.end());
  }
  return std::make_unique<FileSource>(std::move(files), options);
}

}  // namespace qe::tools
