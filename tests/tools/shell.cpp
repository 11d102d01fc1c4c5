// The helper of the end-to-end tests.
#include "tests/tools/shell.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "tests/support/float_models.h"

namespace qe::tools {

namespace fs = std::filesystem;

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::path(QE_BINARY_DIR) / "tests" / "scratch" / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

Outcome shell(const std::string& command, const std::string& input) {
  const fs::path folder = scratch("shell-" + std::to_string(getpid()));
  write_file(folder / "in", input);
  write_file(folder / "script",
             "cd '" QE_SOURCE_DIR "'\nPATH='" QE_TOOLS_DIR "':\"$PATH\"\n" + command + "\n");
  const std::string line = "/bin/sh '" + (folder / "script").string() + "' <'" +
                           (folder / "in").string() + "' >'" + (folder / "out").string() + "' 2>'" +
                           (folder / "err").string() + "'";
  const int status = std::system(line.c_str());
  Outcome outcome;
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = read_file(folder / "out");
  outcome.err = read_file(folder / "err");
  fs::remove_all(folder);
  return outcome;
}

fs::path copy_of_model(const std::string& name) {
  const fs::path folder = scratch(name);
  fs::copy(fs::path(QE_SOURCE_DIR) / kModel, folder);
  return folder;
}

void edit_config(const fs::path& model, const std::function<void(nlohmann::ordered_json&)>& edit) {
  auto config = nlohmann::ordered_json::parse(read_file(model / "config.json"));
  edit(config);
  write_file(model / "config.json", config.dump(2));
}

std::map<std::string, std::string> contents(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      files[entry.path().filename().string()] = read_file(entry.path());
    }
  }
  return files;
}

fs::path quantized_model(const std::string& scheme, const std::string& model) {
  static std::map<std::string, fs::path> made;
  const std::string name = scheme + "-" + fs::path(model).filename().string();
  const auto found = made.find(name);
  if (found != made.end()) return found->second;
  const fs::path output = scratch("quantized-" + name + "-" + std::to_string(getpid())) / "model";
  const std::string calibration =
      scheme == "static" ? " --calibration data/demo-sentences/implied.tsv" : "";
  const Outcome outcome = shell("qe-quantize " + model + " '" + output.string() +
                                "' --activations " + scheme + calibration);
  if (outcome.code != 0) throw std::runtime_error(outcome.err);
  made[name] = output;
  return output;
}

std::string runnable(const std::string& model) {
  if (test::runs_float_models()) return model;
  return "'" + quantized_model("dynamic", model).string() + "'";
}

}  // namespace qe::tools
