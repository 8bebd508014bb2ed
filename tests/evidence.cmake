# What is said of the library against misuse and time, as tests: see docs/reliability.md.

find_package(Threads REQUIRED)

# ---- misuse ----

file(GLOB misuse_sources CONFIGURE_DEPENDS misuse/*.c misuse/*.cc)
add_outside_program(misuse "${misuse_sources}")
set_target_properties(misuse PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/misuse)

# All double and invalid frees end in a line that names the pointer, under either engine.
function(add_misuse_test profile least)
    add_test(NAME evidence.misuse.${profile} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/misuse/run
        $<TARGET_FILE:misuse> "--least" "double free=15" "--least" "invalid free=21"
        "--least" "all=${least}"
        "${profile}=$<TARGET_FILE:arenite_shared>,profile=${profile}")
    set_tests_properties(evidence.misuse.${profile} PROPERTIES
        LABELS evidence TIMEOUT ${ARENITE_TEST_SECONDS})
endfunction()

add_misuse_test(default 80)
add_misuse_test(ptmalloc 80)
add_misuse_test(hardened 113)

# ---- attacks ----

file(GLOB attack_sources CONFIGURE_DEPENDS attack/*.c)
add_outside_program(attack "${attack_sources}")
set_target_properties(attack PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/attack)
function(add_attack_test profile)
    add_test(NAME evidence.attack.${profile} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attack/run
        $<TARGET_FILE:attack> --strict ${ARGN}
        "${profile}=$<TARGET_FILE:arenite_shared>,profile=${profile}")
    set_tests_properties(evidence.attack.${profile} PROPERTIES
        LABELS evidence TIMEOUT ${ARENITE_TEST_SECONDS})
endfunction()

add_attack_test(default)
add_attack_test(hardened --nothing-won)

# ---- long runs ----

add_outside_program(soak soak/soak.c)
target_sources(soak PRIVATE support/require_preload.c)
set_target_properties(soak PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/soak)
add_test(NAME evidence.soak COMMAND soak)
set_test_facts(evidence.soak evidence soak/soak.c ${ARENITE_TEST_SECONDS})
set_property(TEST evidence.soak PROPERTY ENVIRONMENT "LD_PRELOAD=$<TARGET_FILE:arenite_shared>")
