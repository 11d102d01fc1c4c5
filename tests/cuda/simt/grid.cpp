// Grids wave after wave in random order, and what threads do to each other and to memory.
#include "tests/cuda/simt/grid.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "tests/cuda/simt/wave.h"

namespace qe::simt {
namespace {

// Shared memory begins here in the addresses of instructions: not at zero, so that a null address
// is found, and at an odd multiple of 16, since nothing promises more.
constexpr std::uint32_t kSharedBase = 1040;

Block& block_of_cluster(int rank) {
  const std::size_t first = running()->current->block->cluster->first;
  return *running()->blocks[first + static_cast<std::size_t>(rank)];
}

Barrier& barrier_at(int rank, std::uint32_t address) {
  Block& block = block_of_cluster(rank);
  const auto found = block.barriers.find(address);
  if (found == block.barriers.end()) fail("uses a barrier that was never initialized");
  return found->second;
}

}  // namespace

Grid::Grid(const GridShape& shape, std::uint64_t seed, std::function<void()> body)
    : shape_(shape), random_(seed), body_(std::move(body)) {
  if (shape.block.x % kLanes != 0 || shape.block.y != 1 || shape.block.z != 1 ||
      shape.grid.x % static_cast<unsigned>(shape.cluster) != 0) {
    throw Failure("blocks are whole warps along x, grids whole clusters");
  }
  const unsigned blocks = shape.grid.x * shape.grid.y * shape.grid.z;
  const unsigned together = shape.all_resident ? blocks : static_cast<unsigned>(shape.cluster);
  for (unsigned first = 0; first < blocks; first += together) {
    order_.push_back(first);
  }
  std::shuffle(order_.begin(), order_.end(), random_);
}

Grid::~Grid() = default;

void Grid::begin() {
  begun_ = std::make_unique<Wave>(shape_, order_.back(), random_, body_);
  order_.pop_back();
  begun_->run_ahead();
}

void Grid::finish() {
  if (begun_) begun_->run();
  begun_.reset();
  for (const unsigned first : order_) Wave(shape_, first, random_, body_).run();
}

void run_grid(const GridShape& shape, std::uint64_t seed, const std::function<void()>& body) {
  Grid(shape, seed, body).finish();
}

const Coordinates& coordinates() { return running()->current->at; }

void meet_warp(const char* what, void* argument, const WarpAction& act) {
  Wave& wave = *running();
  Thread& self = *wave.current;
  Warp& warp = *self.warp;
  if (warp.arrived > 0 && warp.meeting != std::string_view(what)) {
    fail(std::string("lanes of a warp part: ") + what + " here, " + warp.meeting + " elsewhere");
  }
  warp.meeting = what;
  warp.arguments[static_cast<std::size_t>(self.lane)] = argument;
  if (++warp.arrived < kLanes) {
    wave.suspend(what);
    return;
  }
  warp.arrived = 0;
  act(warp.arguments);
  for (Thread* lane : warp.lanes) lane->waits_for = {};
}

void meet_block() {
  Wave& wave = *running();
  Block& block = *wave.current->block;
  if (++block.at_barrier < block.live) {
    wave.suspend("__syncthreads");
  } else {
    wave.release_block(block);
  }
}

void meet_cluster() {
  Wave& wave = *running();
  Cluster& cluster = *wave.current->block->cluster;
  if (++cluster.at_barrier < cluster.live) {
    wave.suspend("cluster barrier");
  } else {
    wave.release_cluster(cluster);
  }
}

void wait_for_launches_before() {
  Wave& wave = *running();
  wave.current->waited = true;
  if (!wave.ahead) return;
  wait_until("the launches before it", [&wave] { return !wave.ahead; });
}

void wait_until(const char* what, std::function<bool()> holds) {
  if (holds()) return;
  running()->current->until = std::move(holds);
  running()->suspend(what);
}

void allow_next_launch() {
  if (running()->shape.overlaps && !running()->current->waited) {
    fail("allows the next launch before it has waited for those before it");
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
  std::vector<std::byte>& shared = block_of_cluster(rank).shared;
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

// In the name of the thread that asks for it: ranks are those of its cluster.
void later(std::function<void()> event) {
  Wave& wave = *running();
  wave.events.push_back([&wave, thread = wave.current, event = std::move(event)] {
    wave.current = thread;
    event();
  });
}

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
  wait_until("a barrier in shared memory",
             [&barrier, parity] { return (barrier.phase & 1U) != parity; });
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
