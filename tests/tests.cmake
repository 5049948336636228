# Tests by what they prove. Each .cpp under tests/unit and tests/property is one test program.
enable_testing()
find_package(GTest REQUIRED)
include(GoogleTest)

# signalbox_test(FILE LIBRARY…)
function(signalbox_test file)
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/${file})
  target_link_libraries(${name} PRIVATE ${ARGN} GTest::gtest_main signalbox_warnings)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS quick)
endfunction()

signalbox_test(unit/base_test.cpp sb_base)

signalbox_test(wire/demo_shop_test.cpp sb_base nlohmann_json::nlohmann_json)
target_compile_definitions(demo_shop_test PRIVATE DEMO_SHOP="$<TARGET_FILE:demo_shop>"
  DEMO_LOAD="$<TARGET_FILE:demo_load>" NAB2OM="$<TARGET_FILE:nab2om>")
add_dependencies(demo_shop_test demo_shop demo_load nab2om)
