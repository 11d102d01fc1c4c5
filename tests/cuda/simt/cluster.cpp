// The scheduler: warps in turn, at random, some of them only when no other can go on.
#include "tests/cuda/simt/cluster.h"

#include <utility>

namespace qe::simt {
namespace {

constexpr int kPoison = 0xA5;

class Running {
 public:
  explicit Running(Cluster& cluster) { running() = &cluster; }
  ~Running() { running() = nullptr; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

std::string describe(const Thread& thread) {
  return "thread " + std::to_string(thread.at.thread.x) + " of block (" +
         std::to_string(thread.at.block.x) + ", " + std::to_string(thread.at.block.y) + ")";
}

}  // namespace

Cluster*& running() {
  static Cluster* cluster = nullptr;
  return cluster;
}

void fail(const std::string& problem) {
  throw Failure(describe(*running()->current) + ": " + problem);
}

Cluster::Cluster(const GridShape& given, unsigned first_block, std::mt19937_64& random,
                 const std::function<void()>& body)
    : shape(given), random_(random) {
  for (int rank = 0; rank < shape.cluster; ++rank) {
    auto block = std::make_unique<Block>();
    block->rank = rank;
    block->shared.assign(shape.shared_bytes, std::byte{kPoison});
    const unsigned number = first_block + static_cast<unsigned>(rank);
    const Index at{number % shape.grid.x, number / shape.grid.x % shape.grid.y,
                   number / shape.grid.x / shape.grid.y};
    for (unsigned thread = 0; thread < shape.block.x; ++thread) {
      add_thread(*block, {{thread, 0, 0}, at, shape.block, shape.grid}, body);
    }
    blocks.push_back(std::move(block));
  }
}

void Cluster::add_thread(Block& block, const Coordinates& at, const std::function<void()>& body) {
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
  ++live;
  threads.push_back(std::move(thread));
}

void Cluster::check_waited() const {
  if (shape.overlaps && !current->waited) {
    fail("ends without having waited for the launches before it");
  }
}

// A thread that has ended is waited for no longer.
void Cluster::ended() {
  Block& block = *current->block;
  --block.live;
  --live;
  if (block.live > 0 && block.at_barrier == block.live) release_block(block);
  if (live > 0 && at_cluster_barrier == live) release_cluster();
}

void Cluster::release_block(Block& block) {
  block.at_barrier = 0;
  for (const auto& warp : block.warps) {
    for (Thread* thread : warp->lanes) {
      if (thread != nullptr && thread->waits_for == "__syncthreads") {
        thread->waits_for = {};
      }
    }
  }
}

void Cluster::release_cluster() {
  at_cluster_barrier = 0;
  for (const auto& thread : threads) {
    if (thread->waits_for == "cluster barrier") thread->waits_for = {};
  }
}

// Every lane of some warp that may run goes on until it waits.
bool Cluster::run_ready_warp(bool slow) {
  const std::size_t count = threads.size();
  const std::size_t start = random_() % count / kLanes * kLanes;
  for (std::size_t i = 0; i < count; i += kLanes) {
    const std::size_t first = (start + i) % count;
    if (threads[first]->warp->slow == slow && run_lanes(first)) return true;
  }
  return false;
}

bool Cluster::run_lanes(std::size_t first) {
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

bool Cluster::wake_one() {
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

bool Cluster::fire_event() {
  if (events.empty()) return false;
  const std::size_t pick = random_() % events.size();
  const std::function<void()> event = std::move(events[pick]);
  events.erase(events.begin() + static_cast<std::ptrdiff_t>(pick));
  event();
  return true;
}

void Cluster::fail_deadlocked() const {
  std::string text = "nobody can go on:";
  for (const auto& thread : threads) {
    if (thread->lane == 0 && !thread->fiber->ended()) {
      text += " " + describe(*thread) + " waits for " + std::string(thread->waits_for) + ";";
    }
  }
  throw Failure(text);
}

bool Cluster::go_on() {
  return run_ready_warp(false) || wake_one() || run_ready_warp(true) || fire_event();
}

void Cluster::run_ahead() {
  const Running scope(*this);
  ahead = true;
  while (live > 0 && go_on()) {
  }
  ahead = false;
}

void Cluster::run() {
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
