// Every relative link of the project's Markdown, and every docs/... path that a source file names,
// leads to a file that is there. Anchors and links to other hosts are not looked at.
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = QE_SOURCE_DIR;
constexpr const char* kFolders[] = {"bench",   "docs",  "engine",    "kernels",
                                    "loaders", "tests", "tokenizer", "tools"};

std::string read(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<fs::path> files_with(const std::vector<std::string>& extensions) {
  std::vector<fs::path> files;
  const auto add = [&](const fs::directory_entry& entry) {
    for (const std::string& extension : extensions) {
      if (entry.is_regular_file() && entry.path().extension() == extension) {
        files.push_back(entry.path());
      }
    }
  };
  for (const auto& entry : fs::directory_iterator(kRoot)) add(entry);
  for (const char* const folder : kFolders) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) add(entry);
  }
  return files;
}

// What the first group of `pattern` matches in the files, with the file it stands in.
template <typename Visit>
int for_each_match(const std::vector<fs::path>& files, const std::regex& pattern,
                   const Visit& visit) {
  int seen = 0;
  for (const fs::path& file : files) {
    const std::string text = read(file);
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) {
      ++seen;
      visit(file, (*it)[1].str());
    }
  }
  return seen;
}

}  // namespace

TEST_CASE("relative links of the documents lead somewhere") {
  const std::regex link(R"re(\]\(([^)#\s]+)(?:#[^)]*)?\))re");
  const int seen = for_each_match(
      files_with({".md"}), link, [](const fs::path& file, const std::string& target) {
        if (target.find("://") != std::string::npos) return;
        CHECK_MESSAGE(fs::exists(file.parent_path() / target), file << " links to " << target);
      });
  CHECK(seen > 10);
}

TEST_CASE("documents that sources name exist") {
  const std::regex mention(R"re(\b(docs/[A-Za-z0-9_/.-]+\.(?:md|svg)))re");
  const int seen =
      for_each_match(files_with({".cpp", ".h", ".py", ".sh", ".md"}), mention,
                     [](const fs::path& file, const std::string& target) {
                       CHECK_MESSAGE(fs::exists(kRoot / target), file << " names " << target);
                     });
  CHECK(seen > 10);
}
