// decode_files: pixels of images, for the script that compares them with Pillow and timm. Standard
// input has a path a line; standard output for each, in the order given, width and height (32 bits,
// little endian) and the RGB bytes. An image that cannot be decoded is 0 x 0, its error on standard
// error.
//   decode_files [CONFIG_JSON]     with one: after preprocessing as this config.json of timm says
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include <qe/error.h>
#include <qe/image.h>

namespace {

qe::ImageInput read_input(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return qe::parse_image_input(qe::Config::parse(text, path));
}

void write_number(int value) {
  for (int shift = 0; shift < 32; shift += 8) {
    std::cout.put(static_cast<char>(static_cast<unsigned>(value) >> shift & 255U));
  }
}

qe::Image read_image(const std::string& path, const std::optional<qe::ImageInput>& input) {
  try {
    qe::Image image = qe::decode_image(std::filesystem::path(path), {.exif_rotation = false});
    return input ? qe::preprocess(std::move(image), *input) : image;
  } catch (const qe::Error& error) {
    std::cerr << error.what() << "\n";
    return {};
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto input = argc > 1 ? std::optional(read_input(argv[1])) : std::nullopt;
    for (std::string path; std::getline(std::cin, path);) {
      const qe::Image image = read_image(path, input);
      write_number(image.width);
      write_number(image.height);
      std::cout.write(reinterpret_cast<const char*>(image.rgb.data()),
                      static_cast<std::streamsize>(image.rgb.size()));
    }
    return std::cout.flush() ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
