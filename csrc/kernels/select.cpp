// The list of tables. Adding an instruction set is one line in `available`.
#include "kernels/select.h"

#include <cstdlib>

#include "core/check.h"
#include "kernels/amx/permission.h"
#include "kernels/amx/table.h"
#include "kernels/avx2/table.h"
#include "kernels/avx512vnni/table.h"
#include "kernels/cpu.h"
#include "kernels/portable/table.h"
#include "kernels/reference/table.h"

namespace icepoint {

namespace {

// Every name that some build of icepoint knows; the rest is a misspelling and is said to be one.
constexpr const char* kNames[] = {"reference", "portable", "avx2", "avx512vnni", "amx"};

// What this build has and this CPU can run, plainest first.
const std::vector<const Kernels*>& available() {
  static const std::vector<const Kernels*> tables = [] {
    std::vector<const Kernels*> found{&reference_table(), &portable_table()};
#if defined(__x86_64__)
    if (cpu().avx2) found.push_back(&avx2_table());
    if (cpu().avx512vnni) found.push_back(&avx512vnni_table());
    if (cpu().amx && amx::tiles_allowed()) found.push_back(&amx_table());
#endif
    return found;
  }();
  return tables;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

const Kernels& find(const std::string& name, const std::string& who) {
  for (const Kernels* table : available())
    if (name == table->name) return *table;
  for (const char* known : kNames)
    if (name == known) fail(who, ": this build, CPU or system lacks '", name, "'; it has ", joined(isas()));
  fail(who, ": '", name, "' is not an instruction set; this machine has ", joined(isas()));
}

}  // namespace

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (const Kernels* table : available()) names.emplace_back(table->name);
  return names;
}

const Kernels& kernels(const std::string& name) {
  return find(name, "isa");
}

const Kernels& kernels() {
  static const Kernels& chosen = []() -> const Kernels& {
    const char* forced = std::getenv("ICEPOINT_ISA");
    return forced != nullptr && *forced != '\0' ? find(forced, "ICEPOINT_ISA") : *available().back();
  }();
  return chosen;
}

}  // namespace icepoint
