# Fuzz harnesses: with ARENITE_FUZZER linked with libFuzzer or AFL++ (make fuzz), else with a program
# that runs each on its corpus and on inputs made by chance.

option(ARENITE_FUZZER "link the fuzz harnesses with the compiler's fuzzer" OFF)

function(add_fuzz_harness name)
    set(target fuzz_${name})
    add_executable(${target} EXCLUDE_FROM_ALL fuzz/${target}.c support/held.c)
    target_link_libraries(${target} PRIVATE ${ARGN} arenite_library_flags arenite_warnings
        test_support Threads::Threads m)
    target_compile_definitions(${target} PRIVATE ARENITE_PREFIXED=1)
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/fuzz)
    if(ARENITE_FUZZER)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        return()
    endif()
    target_sources(${target} PRIVATE fuzz/replay.c)
    add_dependencies(tests ${target})
    add_test(NAME ${unit_label}.fuzz.${name} COMMAND ${unit_launcher} $<TARGET_FILE:${target}>
        ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
    set_test_facts(${unit_label}.fuzz.${name} ${unit_label} fuzz/${target}.c ${unit_seconds})
    set_property(TEST ${unit_label}.fuzz.${name} PROPERTY ENVIRONMENT ${unit_environment})
endfunction()

add_fuzz_harness(malloc arenite_internal)
add_fuzz_harness(headers arenite_internal)
add_fuzz_harness(options arenite_internal)

# The tool, but for what prints JSON. It is for 64 bits.
if(CMAKE_SIZEOF_VOID_P EQUAL 8)
    set(tool_sources ${ARENITE_TOOL_SOURCES})
    list(FILTER tool_sources EXCLUDE REGEX "/cli/(main|options|compare[a-z_]*)\\.c$")
    add_library(fuzz_tool STATIC EXCLUDE_FROM_ALL ${tool_sources})
    target_link_libraries(fuzz_tool PRIVATE arenite_library_flags arenite_strict)
    target_link_libraries(fuzz_tool PUBLIC arenite_model)
    add_fuzz_harness(script fuzz_tool)
    add_fuzz_harness(elf fuzz_tool)
endif()
