// The scheduler: one cluster of blocks after another, in random order; within it, warps in turn.
#include "tests/cuda/simt/grid.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tests/cuda/simt/fiber.h"

namespace qe::simt {
namespace {

// Shared memory begins here in the addresses of instructions: not at zero, so that a null address
// is found, and at an odd multiple of 16, since nothing promises more.
constexpr std::uint32_t kSharedBase = 1040;
constexpr int kPoison = 0xA5;

struct Thread;
struct Block;

struct Warp {
  bool slow = false;              // goes on only when no other can
  const char* meeting = nullptr;  // what those who arrived wait for
  int arrived = 0;
  std::array<void*, kLanes> arguments{};
  std::array<Thread*, kLanes> lanes{};
  AsyncGroups products;
};

struct Barrier {
  int expected = 0;
  int pending = 0;
  std::int64_t transactions = 0;
  std::uint32_t phase = 0;

  void settle() {
    if (pending > 0 || transactions != 0) return;
    pending = expected;
    ++phase;
  }
};

struct Thread {
  Coordinates at;
  Block* block = nullptr;
  Warp* warp = nullptr;
  int lane = 0;
  std::unique_ptr<Fiber> fiber;
  std::string_view waits_for;   // null: may run
  std::function<bool()> until;  // may run once this holds
  AsyncGroups copies;
};

struct Block {
  int rank = 0;  // in the cluster
  std::vector<std::byte> shared;
  std::unordered_map<std::uint32_t, Barrier> barriers;
  std::vector<std::unique_ptr<Warp>> warps;
  int live = 0;
  int at_barrier = 0;
};

class Cluster {
 public:
  Cluster(const GridShape& shape, unsigned first_block, std::mt19937_64& random,
          const std::function<void()>& body);
  void run();

  void suspend(std::string_view reason) {
    current->waits_for = reason;
    current->fiber->suspend();
  }
  void release_block(Block& block);
  void release_cluster();
  void ended();
  bool flip() { return (random_() & 1U) != 0; }

  const GridShape& shape;
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<std::unique_ptr<Thread>> threads;
  std::vector<std::function<void()>> events;
  Thread* current = nullptr;
  int at_cluster_barrier = 0;
  int live = 0;

 private:
  bool run_ready_warp(bool slow);
  bool run_lanes(std::size_t first);
  bool wake_one();
  bool fire_event();
  [[noreturn]] void fail_deadlocked() const;
  void add_thread(Block& block, const Coordinates& at, const std::function<void()>& body);

  std::mt19937_64& random_;
  std::exception_ptr thrown_;
};

// The cluster that runs; one at a time a process.
Cluster*& running() {
  static Cluster* cluster = nullptr;
  return cluster;
}

std::string describe(const Thread& thread) {
  return "thread " + std::to_string(thread.at.thread.x) + " of block (" +
         std::to_string(thread.at.block.x) + ", " + std::to_string(thread.at.block.y) + ")";
}

[[noreturn]] void fail(const std::string& problem) {
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
    } catch (...) {
      thrown_ = std::current_exception();
    }
    ended();
  });
  ++block.live;
  ++live;
  threads.push_back(std::move(thread));
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

void Cluster::run() {
  running() = this;
  try {
    while (live > 0) {
      if (random_() % 8 == 0) {
        fire_event();
        wake_one();
      }
      if (!run_ready_warp(false) && !wake_one() && !run_ready_warp(true) && !fire_event()) {
        fail_deadlocked();
      }
    }
    while (fire_event()) {
    }
  } catch (...) {
    running() = nullptr;
    throw;
  }
  running() = nullptr;
}

Barrier& barrier_at(int rank, std::uint32_t address) {
  Block& block = *running()->blocks[static_cast<std::size_t>(rank)];
  const auto found = block.barriers.find(address);
  if (found == block.barriers.end()) fail("uses a barrier that was never initialized");
  return found->second;
}

}  // namespace

void run_grid(const GridShape& shape, std::uint64_t seed, const std::function<void()>& body) {
  if (shape.block.x % kLanes != 0 || shape.block.y != 1 || shape.block.z != 1 ||
      shape.grid.x % static_cast<unsigned>(shape.cluster) != 0) {
    throw Failure("blocks are whole warps along x, grids whole clusters");
  }
  std::mt19937_64 random(seed);
  const unsigned blocks = shape.grid.x * shape.grid.y * shape.grid.z;
  std::vector<unsigned> order;
  for (unsigned first = 0; first < blocks; first += static_cast<unsigned>(shape.cluster)) {
    order.push_back(first);
  }
  std::shuffle(order.begin(), order.end(), random);
  for (const unsigned first : order) Cluster(shape, first, random, body).run();
}

const Coordinates& coordinates() { return running()->current->at; }

void meet_warp(const char* what, void* argument, const WarpAction& act) {
  Cluster& cluster = *running();
  Thread& self = *cluster.current;
  Warp& warp = *self.warp;
  if (warp.arrived > 0 && warp.meeting != std::string_view(what)) {
    fail(std::string("lanes of a warp part: ") + what + " here, " + warp.meeting + " elsewhere");
  }
  warp.meeting = what;
  warp.arguments[static_cast<std::size_t>(self.lane)] = argument;
  if (++warp.arrived < kLanes) {
    cluster.suspend(what);
    return;
  }
  warp.arrived = 0;
  act(warp.arguments);
  for (Thread* lane : warp.lanes) lane->waits_for = {};
}

void meet_block() {
  Cluster& cluster = *running();
  Block& block = *cluster.current->block;
  if (++block.at_barrier < block.live) {
    cluster.suspend("__syncthreads");
  } else {
    cluster.release_block(block);
  }
}

void meet_cluster() {
  Cluster& cluster = *running();
  if (++cluster.at_cluster_barrier < cluster.live) {
    cluster.suspend("cluster barrier");
  } else {
    cluster.release_cluster();
  }
}

int warp_in_block() { return static_cast<int>(coordinates().thread.x) / kLanes; }
int lane_in_warp() { return running()->current->lane; }
int block_in_cluster() { return running()->current->block->rank; }
bool flip() { return running()->flip(); }

std::byte* shared_memory() { return running()->current->block->shared.data(); }

std::byte* shared_at(std::uint32_t address, std::size_t bytes) {
  return shared_at(block_in_cluster(), address, bytes);
}

std::byte* shared_at(int rank, std::uint32_t address, std::size_t bytes) {
  std::vector<std::byte>& shared = running()->blocks[static_cast<std::size_t>(rank)]->shared;
  if (address < kSharedBase || address - kSharedBase + bytes > shared.size()) {
    fail("shared memory " + std::to_string(address) + " + " + std::to_string(bytes) + " of " +
         std::to_string(shared.size()) + " bytes from " + std::to_string(kSharedBase));
  }
  return shared.data() + (address - kSharedBase);
}

std::uint32_t shared_address_of(const void* pointer) {
  const auto offset = static_cast<const std::byte*>(pointer) - shared_memory();
  return static_cast<std::uint32_t>(offset) + kSharedBase;
}

void later(std::function<void()> event) { running()->events.push_back(std::move(event)); }

void init_barrier(std::uint32_t address, int arrivals) {
  static_cast<void>(shared_at(address, 8));
  if (address % 8 != 0) fail("a barrier is not aligned to 8 bytes");
  running()->current->block->barriers[address] = {arrivals, arrivals, 0, 0};
}

void arrive_at_barrier(int rank, std::uint32_t address, int transactions) {
  Barrier& barrier = barrier_at(rank, address);
  if (barrier.pending == 0) fail("more arrivals than a barrier expects");
  barrier.transactions += transactions;
  --barrier.pending;
  barrier.settle();
}

void complete_transactions(int rank, std::uint32_t address, int transactions) {
  Barrier& barrier = barrier_at(rank, address);
  barrier.transactions -= transactions;
  barrier.settle();
}

void wait_for_barrier(std::uint32_t address, std::uint32_t parity) {
  const Barrier& barrier = barrier_at(block_in_cluster(), address);
  const auto complete = [&barrier, parity] { return (barrier.phase & 1U) != parity; };
  if (complete()) return;
  running()->current->until = complete;
  running()->suspend("a barrier in shared memory");
}

void AsyncGroups::commit() {
  closed_.push_back(std::move(open_));
  open_.clear();
  if (flip()) carry_out(closed_.size());
}

void AsyncGroups::wait(int pending) {
  const auto kept = static_cast<std::size_t>(pending);
  if (closed_.size() <= kept) return;
  const std::size_t done = closed_.size() - kept;
  carry_out(done);
  closed_.erase(closed_.begin(), closed_.begin() + static_cast<std::ptrdiff_t>(done));
}

// A group stays in the list when it is carried out early, so that waits count it.
void AsyncGroups::carry_out(std::size_t groups) {
  for (std::size_t i = 0; i < groups; ++i) {
    for (const auto& operation : closed_[i]) operation();
    closed_[i].clear();
  }
}

AsyncGroups& thread_copies() { return running()->current->copies; }
AsyncGroups& warp_products() { return running()->current->warp->products; }

}  // namespace qe::simt
