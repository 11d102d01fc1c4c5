// The scheduler: warps in turn, at random, some of them only when no other can go on.
#include "tests/cuda/simt/wave.h"

#include <utility>

namespace qe::simt {
namespace {

constexpr int kPoison = 0xA5;

class Running {
 public:
  explicit Running(Wave& wave) { running() = &wave; }
  ~Running() { running() = nullptr; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

std::string describe(const Thread& thread) {
  return "thread " + std::to_string(thread.at.thread.x) + " of block (" +
         std::to_string(thread.at.block.x) + ", " + std::to_string(thread.at.block.y) + ")";
}

}  // namespace

Wave*& running() {
  static Wave* wave = nullptr;
  return wave;
}

void fail(const std::string& problem) {
  throw Failure(describe(*running()->current) + ": " + problem);
}

Wave::Wave(const GridShape& given, unsigned first_block, std::mt19937_64& random,
           const std::function<void()>& body)
    : shape(given), random_(random) {
  const unsigned count = shape.all_resident ? shape.grid.x * shape.grid.y * shape.grid.z
                                            : static_cast<unsigned>(shape.cluster);
  for (unsigned i = 0; i < count; ++i) {
    const int rank = static_cast<int>(i) % shape.cluster;
    if (rank == 0) {
      clusters.push_back(std::make_unique<Cluster>());
      clusters.back()->first = blocks.size();
    }
    add_block(first_block + i, *clusters.back(), rank, body);
  }
}

void Wave::add_block(unsigned number, Cluster& cluster, int rank,
                     const std::function<void()>& body) {
  auto block = std::make_unique<Block>();
  block->rank = rank;
  block->cluster = &cluster;
  block->shared.assign(shape.shared_bytes, std::byte{kPoison});
  const Index at{number % shape.grid.x, number / shape.grid.x % shape.grid.y,
                 number / shape.grid.x / shape.grid.y};
  for (unsigned thread = 0; thread < shape.block.x; ++thread) {
    add_thread(*block, {{thread, 0, 0}, at, shape.block, shape.grid}, body);
  }
  blocks.push_back(std::move(block));
}

void Wave::add_thread(Block& block, const Coordinates& at, const std::function<void()>& body) {
  auto thread = std::make_unique<Thread>();
  thread->at = at;
  thread->block = &block;
  thread->lane = static_cast<int>(at.thread.x % kLanes);
  if (thread->lane == 0) {
    block.warps.push_back(std::make_unique<Warp>());
    block.warps.back()->slow = random_() % 4 == 0;
  }
  thread->warp = block.warps.back().get();
  thread->warp->lanes[static_cast<std::size_t>(thread->lane)] = thread.get();
  thread->fiber = std::make_unique<Fiber>([this, &body] {
    try {
      body();
      check_waited();
    } catch (...) {
      thrown_ = std::current_exception();
    }
    ended();
  });
  ++block.live;
  ++block.cluster->live;
  ++live;
  threads.push_back(std::move(thread));
}

void Wave::check_waited() const {
  if (shape.overlaps && !current->waited) {
    fail("ends without having waited for the launches before it");
  }
}

// A thread that has ended is waited for no longer.
void Wave::ended() {
  Block& block = *current->block;
  Cluster& cluster = *block.cluster;
  --block.live;
  --cluster.live;
  --live;
  if (block.live > 0 && block.at_barrier == block.live) release_block(block);
  if (cluster.live > 0 && cluster.at_barrier == cluster.live) release_cluster(cluster);
}

void Wave::release_block(Block& block) {
  block.at_barrier = 0;
  for (const auto& warp : block.warps) {
    for (Thread* thread : warp->lanes) {
      if (thread != nullptr && thread->waits_for == "__syncthreads") {
        thread->waits_for = {};
      }
    }
  }
}

void Wave::release_cluster(Cluster& cluster) {
  cluster.at_barrier = 0;
  for (const auto& thread : threads) {
    if (thread->block->cluster == &cluster && thread->waits_for == "cluster barrier") {
      thread->waits_for = {};
    }
  }
}

// Every lane of some warp that may run goes on until it waits.
bool Wave::run_ready_warp(bool slow) {
  const std::size_t count = threads.size();
  const std::size_t start = random_() % count / kLanes * kLanes;
  for (std::size_t i = 0; i < count; i += kLanes) {
    const std::size_t first = (start + i) % count;
    if (threads[first]->warp->slow == slow && run_lanes(first)) return true;
  }
  return false;
}

bool Wave::run_lanes(std::size_t first) {
  bool ran = false;
  for (std::size_t lane = first; lane < first + kLanes; ++lane) {
    Thread& thread = *threads[lane];
    if (!thread.waits_for.empty() || thread.fiber->ended()) continue;
    current = &thread;
    thread.fiber->resume();
    if (thrown_) std::rethrow_exception(thrown_);
    ran = true;
  }
  return ran;
}

bool Wave::wake_one() {
  bool woken = false;
  for (const auto& thread : threads) {
    if (thread->until && thread->until()) {
      thread->until = nullptr;
      thread->waits_for = {};
      woken = true;
    }
  }
  return woken;
}

bool Wave::fire_event() {
  if (events.empty()) return false;
  const std::size_t pick = random_() % events.size();
  const std::function<void()> event = std::move(events[pick]);
  events.erase(events.begin() + static_cast<std::ptrdiff_t>(pick));
  event();
  return true;
}

void Wave::fail_deadlocked() const {
  std::string text = "nobody can go on:";
  for (const auto& thread : threads) {
    if (thread->lane == 0 && !thread->fiber->ended()) {
      text += " " + describe(*thread) + " waits for " + std::string(thread->waits_for) + ";";
    }
  }
  throw Failure(text);
}

bool Wave::go_on() {
  return run_ready_warp(false) || wake_one() || run_ready_warp(true) || fire_event();
}

void Wave::run_ahead() {
  const Running scope(*this);
  ahead = true;
  while (live > 0 && go_on()) {
  }
  ahead = false;
}

void Wave::run() {
  const Running scope(*this);
  while (live > 0) {
    if (random_() % 8 == 0) {
      fire_event();
      wake_one();
    }
    if (!go_on()) fail_deadlocked();
  }
  while (fire_event()) {
  }
}

}  // namespace qe::simt
