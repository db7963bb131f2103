// `icepoint verify`: replays the file's self-check on every instruction set of this machine.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "format/reader.h"
#include "kernels/select.h"
#include "replay/commands.h"
#include "replay/session.h"
#include "replay/text.h"
#include "runtime/table.h"
#include "runtime/threads.h"

namespace icepoint {
namespace {

void run(const Common& common) {
  common.apply();  // refuses an unknown --isa, sets the threads
  const auto file = std::make_shared<const ModelFile>(load_model(common.model));
  const std::vector<std::string> names = common.isa.empty() ? isas() : std::vector{common.isa};

  nlohmann::ordered_json json{{"model", common.model}, {"digest", file->digest}, {"threads", num_threads()}};
  Table table({"isa", "result"});
  std::string failures;
  for (const std::string& name : names) {
    const std::string difference = verify(Model(file, kernels(name)));
    json["isas"][name] = difference.empty() ? "equal" : difference;
    table.add({name, difference.empty() ? "equal" : "DIFFERENT"});
    if (!difference.empty()) failures += (failures.empty() ? "" : "; ") + name + ": " + difference;
  }
  json["passed"] = failures.empty();
  if (common.json) {
    print_json(json);
  } else {
    table.print(std::cout);
    if (failures.empty())
      std::cout << "\nThe self-check of " << printable(common.model) << " gives the same bytes here (SHA-256 "
                << file->self_check.outputs.substr(0, 12) << "...).\n";
  }
  require(failures.empty(), common.model, ": ", failures);
}

}  // namespace

void add_verify(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("verify", "Replay the file's self-check on every instruction set of this machine");
  const auto common = std::make_shared<Common>();
  common->add_to(*command);
  command->footer(
      "Exit code 1 where one byte of one layer differs; the first such layer is named.\n\n"
      "Example:\n  icepoint verify model.ice --threads 2");
  command->callback([common] { run(*common); });
}

}  // namespace icepoint
