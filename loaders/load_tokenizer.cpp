// The tokenizer of a directory: its files are read here, for the tokenizer opens none.
#include <optional>
#include <string_view>

#include <qe/load.h>

namespace qe {

Tokenizer load_tokenizer(const std::filesystem::path& directory) {
  const DirectoryTexts texts = read_directory_texts(directory);
  const auto view = [](const std::optional<TextFile>& file) {
    return file ? std::optional<std::string_view>(file->text) : std::nullopt;
  };
  return Tokenizer::load({.vocab_txt = view(texts.vocab),
                          .tokenizer_json = view(texts.tokenizer),
                          .tokenizer_config_json = view(texts.tokenizer_config),
                          .directory = directory.string()});
}

}  // namespace qe
