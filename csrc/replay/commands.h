// The sub-commands: each adds itself, its options and an example to the command line.
#pragma once

namespace CLI {
class App;
}

namespace icepoint {

// Each runs inside the parse, throws what goes wrong and prints to stdout only.
void add_run(CLI::App&);
void add_eval(CLI::App&);
void add_inspect(CLI::App&);
void add_verify(CLI::App&);
void add_bench(CLI::App&);

}  // namespace icepoint
