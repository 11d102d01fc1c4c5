// The writers under fire: the k-th system call fails, the k-th allocation fails, or the process is
// killed. Whatever happens, the destination is the old directory or the complete new one, nothing
// is left beside it, and the error is a typed one.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include <qe/save.h>

#include "loaders/safetensors.h"
#include "tests/loaders/fault_injection.h"
#include "tests/loaders/models.h"

namespace {

namespace fs = std::filesystem;
using qe::test::Activations;
using qe::test::fail_allocation;
using qe::test::Fault;
using qe::test::read_tree;
using qe::test::with_fault;
using Tree = std::vector<std::pair<std::string, std::string>>;

struct Scene : qe::test::TempDir {
  Scene() : model(path() / "model"), out(path() / "out") {
    qe::write_synthetic("bert-tiny", model);
    const auto source = qe::load_checkpoint(model);
    first = qe::test::quantize_plainly(source, Activations::kDynamic);
    second = qe::test::quantize_plainly(source, Activations::kStatic);
    write(*second);
    new_tree = read_tree(out);
    write(*first);
    old_tree = read_tree(out);
  }
  void write(const qe::Checkpoint& checkpoint) const {
    qe::write_quantized(checkpoint, model, out, {.force = true});
  }
  // Only the model and the output are there, and the output is one of the two.
  void check() const {
    const auto tree = read_tree(out);
    CHECK((tree == old_tree || tree == new_tree));
    CHECK(std::distance(fs::directory_iterator(path()), fs::directory_iterator()) == 2);
  }
  fs::path model, out;
  std::optional<qe::Checkpoint> first, second;
  Tree old_tree, new_tree;
};

TEST_CASE("a full disk at any call leaves the old directory or the new one") {
  Scene scene;
  int failed = 0;
  for (int k = 0;; ++k) {
    INFO("call " << k);
    scene.write(*scene.first);
    bool hit = true;
    try {
      hit = with_fault(Fault::kFailure, k, [&] { scene.write(*scene.second); });
    } catch (const qe::Error& error) {
      ++failed;
      CHECK_FALSE(error.detail().file.empty());
    }
    scene.check();
    if (!hit) break;
  }
  CHECK(read_tree(scene.out) == scene.new_tree);
  CHECK(failed > 20);
  MESSAGE(failed << " failing calls");
}

TEST_CASE("interrupted and short reads and writes change nothing") {
  Scene scene;
  for (const Fault kind : {Fault::kInterrupted, Fault::kShort}) {
    for (int k = 0;; ++k) {
      const bool hit = with_fault(kind, k, [&] { scene.write(*scene.second); });
      CHECK(read_tree(scene.out) == scene.new_tree);
      if (!hit) break;
    }
    for (int k = 0; k < 8; ++k) {
      std::optional<qe::Checkpoint> read;
      with_fault(kind, k, [&] { read = qe::load_checkpoint(scene.out, {.use_mmap = false}); });
      CHECK(read->tensors.size() == scene.second->tensors.size());
    }
  }
}

TEST_CASE("a failing read is an error") {
  Scene scene;
  int failed = 0;
  for (int k = 0; k < 100; ++k) {
    try {
      with_fault(Fault::kFailure, k, [&] {
        qe::load_checkpoint(scene.out, {.use_mmap = false});
        qe::read_directory_texts(scene.out);
      });
      break;
    } catch (const qe::IoError&) {
      ++failed;
    }
  }
  CHECK(failed == 5);  // two configurations, the weights, two texts
}

// Fails every stride-th allocation of `call`, one at a time; returns how many made it fail.
template <typename Call, typename Check>
std::size_t fail_allocations(std::size_t stride, Call call, Check check) {
  std::size_t failed = 0;
  for (std::size_t k = 0;; k += stride) {
    INFO("allocation " << k);
    bool hit = true;
    try {
      hit = fail_allocation(k, call);
    } catch (const qe::Error&) {
      ++failed;
    }
    check();
    if (!hit) return failed;
  }
}

TEST_CASE("running out of memory at any allocation is a typed error") {
  Scene scene;
  const auto loads = fail_allocations(
      1, [&] { qe::load_checkpoint(scene.out); }, [] {});
  CHECK(loads > 500);
  const auto writes = fail_allocations(
      23, [&] { scene.write(*scene.second); }, [&] { scene.check(); });
  CHECK(writes > 50);
  MESSAGE(loads << " failing allocations while loading, " << writes << " while writing");
}

TEST_CASE("a single file is replaced whole or not at all") {
  qe::test::TempDir dir;
  const qe::TensorMap tensors = {{"w", qe::test::random_tensor(qe::DType::kF32, {1000}, 1)}};
  qe::write_safetensors(dir / "x", tensors);
  const std::string before = qe::test::read_file(dir / "x");
  for (int k = 0;; ++k) {
    bool hit = true;
    try {
      hit = with_fault(Fault::kFailure, k, [&] { qe::write_safetensors(dir / "x", tensors); });
    } catch (const qe::IoError&) {
    }
    CHECK(qe::test::read_file(dir / "x") == before);
    CHECK(read_tree(dir.path()).size() == 1);
    if (!hit) break;
  }
}

TEST_CASE("a killed writer leaves the old or the new directory, and the next run cleans up") {
  Scene scene;
  constexpr int kKills = 60;
  std::mt19937_64 random(11);
  for (int i = 0; i < kKills; ++i) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (;;) {
        scene.write(*scene.second);
        scene.write(*scene.first);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
    REQUIRE(::kill(child, SIGKILL) == 0);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    const auto tree = read_tree(scene.out);
    CHECK((tree == scene.old_tree || tree == scene.new_tree));
  }
  scene.write(*scene.first);
  scene.check();
}

}  // namespace
