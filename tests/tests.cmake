# Tests by what they prove. Each .cpp under tests/unit and tests/property is one test program.
enable_testing()
find_package(GTest REQUIRED)
include(GoogleTest)

# signalbox_test(FILE LIBRARY…)
function(signalbox_test file)
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/${file})
  target_link_libraries(${name} PRIVATE ${ARGN} GTest::gtest_main signalbox_warnings)
  # What compiles longer than it runs is optimised less: a third of the time to build these.
  if(file MATCHES "^(unit|wire)/")
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS quick)
endfunction()

signalbox_test(unit/base_test.cpp sb_base)

if(TARGET signalbox_jit)
  find_package(benchmark REQUIRED)
  signalbox_test(property/jit_equality_test.cpp sb_eval)
  target_compile_definitions(jit_equality_test PRIVATE SIGNALBOX_JIT_PATH="$<TARGET_FILE:signalbox_jit>")
  add_dependencies(jit_equality_test signalbox_jit)
  signalbox_test(unit/jit_cage_test.cpp sb_jit sb_eval)
  add_executable(kernel_bench ${PROJECT_SOURCE_DIR}/tests/bench/kernel_bench.cpp)
  target_compile_definitions(kernel_bench PRIVATE SIGNALBOX_JIT_PATH="$<TARGET_FILE:signalbox_jit>")
  target_link_libraries(kernel_bench PRIVATE sb_eval benchmark::benchmark signalbox_warnings)
  add_dependencies(kernel_bench signalbox_jit)
endif()

signalbox_test(wire/demo_shop_test.cpp sb_base nlohmann_json::nlohmann_json)
target_compile_definitions(demo_shop_test PRIVATE DEMO_SHOP="$<TARGET_FILE:demo_shop>"
  DEMO_LOAD="$<TARGET_FILE:demo_load>" NAB2OM="$<TARGET_FILE:nab2om>")
add_dependencies(demo_shop_test demo_shop demo_load nab2om)

signalbox_test(unit/exposition_test.cpp sb_formats)
signalbox_test(unit/prometheus_json_test.cpp sb_formats)
signalbox_test(property/exposition_roundtrip_test.cpp sb_formats)
signalbox_test(wire/exposition_wire_test.cpp sb_formats)
set_tests_properties(exposition_wire_test PROPERTIES LABELS wire)

# signalbox_fuzz(FILE "CORPUS FOLDERS" LIBRARY…): replays the corpus everywhere. A fuzzer of it comes from
#   cmake -DCMAKE_CXX_COMPILER=clang++-19 -DSIGNALBOX_FUZZ=ON -DCMAKE_CXX_FLAGS="-fsanitize=fuzzer-no-link,address,undefined"
function(signalbox_fuzz file folders)
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/${file})
  target_link_libraries(${name} PRIVATE ${ARGN} signalbox_warnings)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  list(TRANSFORM folders PREPEND ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/)
  if(SIGNALBOX_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME ${name} COMMAND ${name} -runs=0 ${folders})
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cpp)
    add_test(NAME ${name} COMMAND ${name} ${folders})
  endif()
  set_tests_properties(${name} PROPERTIES LABELS quick)
endfunction()

signalbox_fuzz(fuzz/exposition_fuzz.cpp "exposition;prometheus_json" sb_formats)
signalbox_fuzz(fuzz/chunk_fuzz.cpp "chunk" sb_store)
signalbox_fuzz(fuzz/columns_fuzz.cpp "columns" sb_store)

add_library(sb_test_support STATIC ${PROJECT_SOURCE_DIR}/tests/support/crash_disk.cpp
  ${PROJECT_SOURCE_DIR}/tests/support/sockets.cpp)
target_include_directories(sb_test_support PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(sb_test_support PUBLIC sb_base Threads::Threads PRIVATE signalbox_warnings)
signalbox_test(unit/posix_disk_test.cpp sb_net)
signalbox_test(unit/listener_test.cpp sb_net sb_test_support)
signalbox_test(unit/event_loop_test.cpp sb_net sb_test_support)

signalbox_test(unit/store_test.cpp sb_store)
signalbox_test(unit/histogram_quantile_test.cpp sb_eval)
signalbox_test(property/chunk_property_test.cpp sb_store)
signalbox_test(property/column_file_test.cpp sb_store)
signalbox_test(property/window_property_test.cpp sb_store)
signalbox_test(property/moving_windows_test.cpp sb_store)
signalbox_test(wire/prometheus_parity_test.cpp sb_eval nlohmann_json::nlohmann_json)
target_sources(prometheus_parity_test PRIVATE ${PROJECT_SOURCE_DIR}/tests/wire/prometheus_server.cpp)
set_tests_properties(prometheus_parity_test PROPERTIES LABELS wire)
signalbox_test(unit/sqlite_store_test.cpp sb_journal sb_net sb_test_support)
signalbox_test(property/store_crash_test.cpp sb_journal sb_test_support)

signalbox_test(unit/evaluate_test.cpp sb_eval)
signalbox_test(unit/hold_test.cpp sb_eval)
signalbox_test(property/panel_equality_test.cpp sb_lower sb_eval)
signalbox_test(property/kleene_property_test.cpp sb_eval)
signalbox_test(unit/plan_test.cpp sb_plan)
target_compile_definitions(plan_test PRIVATE PLAN_V1_HEX="${PROJECT_SOURCE_DIR}/tests/unit/data/plan_v1.hex")

signalbox_test(unit/sources_test.cpp sb_sources)
signalbox_test(property/known_lines_test.cpp sb_sources)

signalbox_test(unit/analysis_test.cpp sb_lower)
target_compile_definitions(analysis_test PRIVATE TOUR_PATH="${PROJECT_SOURCE_DIR}/examples/tour/tour.slo")

# The program as others see it: its output, its signals, its HTTP.
add_library(sb_wire_support STATIC ${PROJECT_SOURCE_DIR}/tests/wire/process.cpp
  ${PROJECT_SOURCE_DIR}/tests/wire/http_peer.cpp)
target_include_directories(sb_wire_support PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(sb_wire_support PUBLIC sb_base nlohmann_json::nlohmann_json Threads::Threads PRIVATE signalbox_warnings)
function(signalbox_program_test file)
  get_filename_component(name ${file} NAME_WE)
  signalbox_test(${file} sb_wire_support)
  target_compile_definitions(${name} PRIVATE SIGNALBOX="$<TARGET_FILE:signalbox>")
  add_dependencies(${name} signalbox)
  if(TARGET signalbox_jit)
    add_dependencies(${name} signalbox_jit)
  endif()
endfunction()
signalbox_program_test(wire/cli_contract_test.cpp)

signalbox_test(wire/cli_eval_test.cpp nlohmann_json::nlohmann_json fmt::fmt)
target_sources(cli_eval_test PRIVATE ${PROJECT_SOURCE_DIR}/tests/wire/prometheus_server.cpp ${PROJECT_SOURCE_DIR}/tests/wire/process.cpp)
target_include_directories(cli_eval_test PRIVATE ${PROJECT_SOURCE_DIR})
target_compile_definitions(cli_eval_test PRIVATE SIGNALBOX_PROGRAM="$<TARGET_FILE:signalbox>")
add_dependencies(cli_eval_test signalbox)
set_tests_properties(cli_eval_test PROPERTIES LABELS wire)
signalbox_test(unit/slices_slo_test.cpp sb_lower sb_loop)

signalbox_program_test(wire/nab_example_test.cpp)
target_compile_definitions(nab_example_test PRIVATE EXAMPLE_NAB="${PROJECT_SOURCE_DIR}/examples/nab"
  NAB2OM="$<TARGET_FILE:nab2om>" BUILD="${CMAKE_BINARY_DIR}")
add_dependencies(nab_example_test nab2om)

signalbox_test(wire/prometheus_leaves_test.cpp sb_lower sb_sources sb_net)
target_sources(prometheus_leaves_test PRIVATE ${PROJECT_SOURCE_DIR}/tests/wire/prometheus_server.cpp)
set_tests_properties(prometheus_leaves_test PROPERTIES LABELS wire)
signalbox_test(unit/include_graph_test.cpp)
target_compile_definitions(include_graph_test PRIVATE SIGNALBOX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
signalbox_test(unit/readme_test.cpp)
target_compile_definitions(readme_test PRIVATE SIGNALBOX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
signalbox_program_test(wire/run_contract_test.cpp)
set_tests_properties(run_contract_test PROPERTIES LABELS wire)

# The language: programs that state what must come of them, and texts that are none.
add_library(sb_corpus STATIC ${PROJECT_SOURCE_DIR}/tests/support/corpus_file.cpp)
target_link_libraries(sb_corpus PUBLIC sb_lower sb_store PRIVATE signalbox_warnings)
signalbox_test(corpus_test.cpp sb_corpus sb_eval)
target_compile_definitions(corpus_test PRIVATE SIGNALBOX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
if(TARGET sb_loop AND EXISTS ${PROJECT_SOURCE_DIR}/runtime/loop/rehearsal.cpp)
  target_compile_definitions(corpus_test PRIVATE SIGNALBOX_HAS_LOOP)
  target_link_libraries(corpus_test PRIVATE sb_loop)
endif()
if(TARGET signalbox_jit)
  target_compile_definitions(corpus_test PRIVATE SIGNALBOX_JIT_PATH="$<TARGET_FILE:signalbox_jit>")
  add_dependencies(corpus_test signalbox_jit)
endif()

# For ./dev bench and docs/performance.md; nothing that tests need.
find_package(benchmark REQUIRED)
add_executable(exposition_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/bench/exposition_bench.cpp)
target_link_libraries(exposition_bench PRIVATE sb_formats benchmark::benchmark signalbox_warnings)
add_executable(bench_data EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/bench/bench_data.cpp)
target_link_libraries(bench_data PRIVATE fmt::fmt signalbox_warnings)
add_executable(recording_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/bench/recording_bench.cpp)
target_link_libraries(recording_bench PRIVATE sb_sources signalbox_warnings)
set_target_properties(exposition_bench bench_data recording_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_executable(replay_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/bench/replay_bench.cpp
  ${PROJECT_SOURCE_DIR}/tests/bench/opponents/two_ended.cpp)
target_link_libraries(replay_bench PRIVATE sb_loop sb_lower signalbox_warnings)
# The opponent gets the compiler's best.
set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/bench/opponents/two_ended.cpp PROPERTIES COMPILE_OPTIONS "-O3;-march=native")
set_target_properties(replay_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_custom_target(benches DEPENDS exposition_bench bench_data recording_bench replay_bench)
if(TARGET kernel_bench)
  set_target_properties(kernel_bench PROPERTIES EXCLUDE_FROM_ALL ON)
  add_dependencies(benches kernel_bench)
endif()
signalbox_program_test(wire/run_replay_test.cpp)
target_sources(run_replay_test PRIVATE ${PROJECT_SOURCE_DIR}/tests/wire/prometheus_server.cpp)
set_tests_properties(run_replay_test PROPERTIES LABELS wire)

signalbox_test(unit/decide_test.cpp sb_decide sb_lower)
signalbox_test(unit/decide_answers_test.cpp sb_decide sb_lower)
signalbox_test(unit/decide_slo_test.cpp sb_decide sb_lower)
signalbox_test(unit/engine_test.cpp sb_loop sb_lower)
signalbox_test(property/replay_equality_test.cpp sb_loop sb_lower)

# The whole engine in virtual time under seeded faults: build/tests/sim and build/tests/study.
add_library(sb_sim STATIC ${PROJECT_SOURCE_DIR}/tests/sim/program.cpp ${PROJECT_SOURCE_DIR}/tests/sim/scenario.cpp
  ${PROJECT_SOURCE_DIR}/tests/sim/shop.cpp ${PROJECT_SOURCE_DIR}/tests/sim/faults.cpp
  ${PROJECT_SOURCE_DIR}/tests/sim/checker.cpp ${PROJECT_SOURCE_DIR}/tests/sim/simulation.cpp)
target_link_libraries(sb_sim PUBLIC sb_loop sb_lower PRIVATE nlohmann_json::nlohmann_json signalbox_warnings)
add_executable(sim ${PROJECT_SOURCE_DIR}/tests/sim/sim.cpp)
target_link_libraries(sim PRIVATE sb_sim signalbox_warnings)
set_target_properties(sim PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME sim COMMAND sim --seeds 2000)
set_tests_properties(sim PROPERTIES LABELS sim)
foreach(part sends-before-commit loses-commits tears-commits ignores-fences forgets-keys shows-old-version
    swallows-messages ignores-kill-switch)
  add_test(NAME sim_catches_${part} COMMAND sim --broken ${part} --seeds 1000)
  set_tests_properties(sim_catches_${part} PROPERTIES LABELS sim)
endforeach()

signalbox_test(unit/bad_input_test.cpp sb_lower)
target_compile_definitions(bad_input_test PRIVATE SIGNALBOX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
signalbox_test(property/compiler_mutation_test.cpp sb_corpus)
target_compile_definitions(compiler_mutation_test PRIVATE SIGNALBOX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
signalbox_fuzz(fuzz/compiler_fuzz.cpp "compiler" sb_lower)

# The engine on its state file, killed at every disk operation of an action.
signalbox_test(property/engine_crash_test.cpp sb_sim sb_journal sb_test_support)
set_tests_properties(engine_crash_test PROPERTIES LABELS sim)

# How soon the tour decides and verifies, over seeds: docs/study.md.
add_executable(study ${PROJECT_SOURCE_DIR}/tests/sim/study.cpp)
target_link_libraries(study PRIVATE sb_sim signalbox_warnings)
target_compile_definitions(study PRIVATE TOUR_PATH="${PROJECT_SOURCE_DIR}/examples/tour/tour.slo")
set_target_properties(study PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME study COMMAND study --seeds 5 --check)
set_tests_properties(study PROPERTIES LABELS quick)
# What takes long begins first, also where no earlier run tells ctest so.
set_tests_properties(run_contract_test PROPERTIES COST 60)
if(TARGET jit_equality_test)
  set_tests_properties(jit_equality_test PROPERTIES COST 50)
endif()
set_tests_properties(sim bad_input_test PROPERTIES COST 40)

signalbox_test(unit/generate_test.cpp sb_generate sb_sources)
signalbox_program_test(wire/generate_cli_test.cpp)

# Generated expressions over generated series, asked of a real Prometheus and of us: ./dev parity.
add_library(sb_parity STATIC ${PROJECT_SOURCE_DIR}/tests/parity/coverage.cpp ${PROJECT_SOURCE_DIR}/tests/parity/world.cpp
  ${PROJECT_SOURCE_DIR}/tests/parity/expression.cpp ${PROJECT_SOURCE_DIR}/tests/parity/generate.cpp
  ${PROJECT_SOURCE_DIR}/tests/parity/arena.cpp ${PROJECT_SOURCE_DIR}/tests/parity/runner.cpp
  ${PROJECT_SOURCE_DIR}/tests/parity/table.cpp ${PROJECT_SOURCE_DIR}/tests/wire/prometheus_server.cpp)
target_link_libraries(sb_parity PUBLIC sb_lower sb_eval PRIVATE nlohmann_json::nlohmann_json signalbox_warnings)
add_executable(parity ${PROJECT_SOURCE_DIR}/tests/parity/parity.cpp)
target_link_libraries(parity PRIVATE sb_parity signalbox_warnings)
set_target_properties(parity PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
signalbox_test(parity/parity_test.cpp sb_parity)
target_compile_definitions(parity_test PRIVATE SIGNALBOX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
set_tests_properties(parity_test PROPERTIES LABELS wire)

signalbox_program_test(wire/history_cache_test.cpp)
target_sources(history_cache_test PRIVATE ${PROJECT_SOURCE_DIR}/cli/history_cache.cpp)
target_link_libraries(history_cache_test PRIVATE sb_eval sb_net)
