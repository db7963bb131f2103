// `icepoint`: replays frozen models without Python. Exit code 0, or 1 with one line on stderr.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>

#include "core/check.h"
#include "format/layout.h"
#include "kernels/select.h"
#include "replay/commands.h"
#include "runtime/table.h"

namespace icepoint {
namespace {

/// Output may be lost without a word otherwise: a full disk, a closed descriptor.
int finish() {
  require(static_cast<bool>(std::cout.flush()), "stdout: cannot be written");
  return 0;
}

/// What decides whether two machines can read the same files and how they compute them.
std::string version_text() {
  std::string sets;
  for (const std::string& name : isas()) sets += (sets.empty() ? "" : ", ") + name;
  return "icepoint " ICEPOINT_VERSION "\narithmetic " + std::to_string(kArithmeticVersion) +
         "\nfile format " + kFormatVersion + "\ninstruction sets " + sets + "; in use: " + kernels().name;
}

int run(int argc, char** argv) {
  CLI::App app("Runs neural networks that icepoint froze into integers: equal bytes on every machine.",
               "icepoint");
  app.footer(
      "Example:\n  icepoint run model.ice digit.png\n\n"
      "Exit code 0: done; 1: it failed, with one line on stderr, or a self-check differs.\n"
      "icepoint COMMAND --help says more.");
  app.set_version_flag("--version", version_text, "Versions of program, arithmetic and files; CPU's sets");
  app.require_subcommand(0, 1);  // none is refused below, in better words
  add_run(app);
  add_eval(app);
  add_bench(app);
  add_inspect(app);
  add_verify(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0) fail(e.what(), " (see icepoint --help)");
    app.exit(e);  // --help, --version
    return finish();
  }
  require(!app.get_subcommands().empty(),
          "expected run, eval, bench, inspect or verify (see icepoint --help)");
  return finish();
}

}  // namespace
}  // namespace icepoint

int main(int argc, char** argv) try { return icepoint::run(argc, argv); } catch (const std::bad_alloc&) {
  std::fputs("icepoint: not enough memory\n", stderr);
  return 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "icepoint: %s\n", icepoint::printable(e.what()).c_str());
  return 1;
} catch (...) {
  std::fputs("icepoint: unknown error\n", stderr);
  return 1;
}
