// One pass over the pickle's instructions (Python's pickletools.py names and defines them).
#include "replay/pt_program.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/check.h"

namespace icepoint {
namespace {

constexpr size_t kMaxProgram = 4096;  // one tensor takes about 200 bytes

class Program {
 public:
  explicit Program(std::string_view bytes) : rest_(bytes) {}

  void check() {
    require(byte() == 0x80 && byte() == 2, "pt: not a pickle of protocol 2");
    while (step()) {
    }
    require(rest_.empty() && depth_ == 1 && marks_.empty(), "pt: the pickle does not end with one value");
  }

 private:
  /// Checks one instruction; false after the last.
  bool step() {
    const uint8_t op = byte();
    switch (op) {
      case '.':
        return false;  // STOP
      case 'c':
        name();
        push();
        break;  // GLOBAL
      case '(':
        marks_.push_back(depth_);
        break;  // MARK
      case ')':
      case 0x88:
      case 0x89:
        push();
        break;  // EMPTY_TUPLE NEWTRUE NEWFALSE
      case 'K':
        skip(1);
        push();
        break;  // BININT1
      case 'M':
        skip(2);
        push();
        break;  // BININT2
      case 'J':
        skip(4);
        push();
        break;  // BININT
      case 0x8a:
        require(byte() <= 8, "pt: an integer above 64 bits");  // LONG1
        skip(static_cast<uint8_t>(last_));
        push();
        break;
      case 'X':
        skip(length());
        push();
        break;  // BINUNICODE
      case 'q':
        memo_[byte()] = true;
        pop(1);
        push();
        break;  // BINPUT
      case 'h':
        require(memo_[byte()], "pt: an unset memo");
        push();
        break;  // BINGET
      case 't':
        tuple();
        break;  // TUPLE
      case 0x85:
      case 0x86:
      case 0x87:
        pop(op - 0x84u);
        push();
        break;  // TUPLE1 TUPLE2 TUPLE3
      case 'Q':
        pop(1);
        push();
        break;  // BINPERSID
      case 'R':
        pop(2);
        push();
        break;  // REDUCE
      default:
        fail("pt: the file does not hold one plain tensor; save torch.save(x.detach(), path)");
    }
    return true;
  }

  void name() {
    static constexpr std::array<std::string_view, 5> kKnown = {
        "torch._utils\n_rebuild_tensor_v2\n", "torch._utils\n_rebuild_parameter\n",
        "collections\nOrderedDict\n", "torch\nFloatStorage\n", "torch\nByteStorage\n"};
    for (const std::string_view known : kKnown)
      if (rest_.starts_with(known)) return skip(known.size());
    const size_t module_end = std::min(rest_.find('\n'), rest_.size());
    const size_t end = std::min(rest_.find('\n', module_end + 1), rest_.size());
    std::string found(rest_.substr(0, end));
    std::replace(found.begin(), found.end(), '\n', '.');
    fail("pt: found ", found, ", expected one tensor of float32 or uint8");
  }

  void tuple() {
    require(!marks_.empty(), "pt: a tuple without its mark");
    depth_ = marks_.back();
    marks_.pop_back();
    push();
  }
  void push() { ++depth_; }
  void pop(size_t n) {
    // What lies below an open mark belongs to an outer tuple.
    require(depth_ >= n + (marks_.empty() ? 0 : marks_.back()), "pt: the pickle pops more than it pushed");
    depth_ -= n;
  }
  uint8_t byte() {
    require(!rest_.empty(), "pt: the pickle ends early");
    last_ = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return last_;
  }
  void skip(size_t n) {
    require(n <= rest_.size(), "pt: the pickle ends early");
    rest_.remove_prefix(n);
  }
  size_t length() {
    size_t n = 0;
    for (int i = 0; i < 4; ++i) n |= size_t{byte()} << 8 * i;
    return n;
  }

  std::string_view rest_;
  uint8_t last_ = 0;
  size_t depth_ = 0;
  std::vector<size_t> marks_;
  std::array<bool, 256> memo_{};
};

}  // namespace

void check_pt_program(std::string_view pickle) {
  require(pickle.size() <= kMaxProgram, "pt: the file holds more than one tensor");
  Program(pickle).check();
}

}  // namespace icepoint
