# How each kind of test becomes a ctest test. See CMakeLists.txt.

# The time limit a test file asks for, or the default.
function(read_timeout source default result)
    file(STRINGS ${source} line REGEX "TIMEOUT_SECONDS: [0-9]+" LIMIT_COUNT 1)
    if(line MATCHES "TIMEOUT_SECONDS: ([0-9]+)")
        set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
    else()
        set(${result} ${default} PARENT_SCOPE)
    endif()
endfunction()

function(set_test_facts name label source default_seconds)
    read_timeout(${source} ${default_seconds} seconds)
    set_tests_properties(${name} PROPERTIES
        LABELS "${label}" TIMEOUT ${seconds} SKIP_RETURN_CODE 77)
endfunction()

# A program compiled from one file that tests an allocator from outside. -fno-builtin: otherwise the
# compiler removes the very calls that the test makes. C++ tests replace single operators on purpose.
function(add_outside_program target source)
    add_executable(${target} EXCLUDE_FROM_ALL ${source})
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_compile_options(${target} PRIVATE -fno-builtin
        $<$<COMPILE_LANGUAGE:CXX>:-fno-allocation-dce -Wno-sized-deallocation>)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(${target} PRIVATE test_support Threads::Threads ${CMAKE_DL_LIBS} m)
    add_dependencies(tests ${target})
endfunction()

# What preload tests load (helpers/lib_*.c) or run without the library (helpers/run_*.c); they find
# them in the folder that ARENITE_TEST_HELPERS names.
function(add_preload_helpers folder)
    file(GLOB sources CONFIGURE_DEPENDS preload/helpers/*.c)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        if(name MATCHES "^lib_")
            add_library(${name} MODULE EXCLUDE_FROM_ALL ${source})
            set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${folder})
        else()
            add_executable(${name} EXCLUDE_FROM_ALL ${source})
            set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${folder})
        endif()
        target_compile_options(${name} PRIVATE -fno-builtin)
        target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
        target_link_libraries(${name} PRIVATE arenite_warnings Threads::Threads ${CMAKE_DL_LIBS})
        add_dependencies(tests ${name})
    endforeach()
endfunction()

# What is about figures and rules of the other profiles, or sets the options itself.
set(not_hardened budget hardened helper_thread keepcost large_blocks left_blocks locked_memory
    mallopt_effects memory_back misuse perturbed)

# The tree with debug checks runs the same programs under a name that tells.
function(add_preload_tests)
    set(prefix preload)
    if(ARENITE_DEBUG)
        set(prefix preload-debug)
    endif()
    find_package(Threads REQUIRED)
    file(GLOB sources CONFIGURE_DEPENDS preload/*.c preload/*.cc)
    if(NOT TARGET arenite_shared)
        return()
    endif()
    add_dependencies(tests arenite_shared)
    set(helpers ${CMAKE_CURRENT_BINARY_DIR}/helpers)
    add_preload_helpers(${helpers})
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        add_outside_program(preload_${name} ${source})
        # Fails the program when the library was not really loaded.
        target_sources(preload_${name} PRIVATE support/require_preload.c)
        add_test(NAME ${prefix}.${name} COMMAND preload_${name})
        set_test_facts(${prefix}.${name} preload ${source} ${ARENITE_TEST_SECONDS})
        set(environment
            "LD_PRELOAD=$<TARGET_FILE:arenite_shared>" "ARENITE_TEST_HELPERS=${helpers}")
        set_property(TEST ${prefix}.${name} PROPERTY ENVIRONMENT ${environment})
        if(NOT ARENITE_DEBUG)
            # The engine behind the slabs is what these programs then run on alone.
            add_test(NAME preload-ptmalloc.${name} COMMAND preload_${name})
            set_test_facts(preload-ptmalloc.${name} preload ${source} ${ARENITE_TEST_SECONDS})
            set_property(TEST preload-ptmalloc.${name} PROPERTY ENVIRONMENT
                ${environment} "ARENITE_OPTIONS=profile=ptmalloc")
        endif()
        if(NOT ARENITE_DEBUG AND NOT name IN_LIST not_hardened)
            add_test(NAME preload-hardened.${name} COMMAND preload_${name})
            set_test_facts(preload-hardened.${name} preload ${source} ${ARENITE_TEST_SECONDS})
            set_property(TEST preload-hardened.${name} PROPERTY ENVIRONMENT
                ${environment} "ARENITE_OPTIONS=profile=hardened")
        endif()
    endforeach()
endfunction()

# stress/*.c is one program; each shape it knows is a test of its own, under several profiles.
set(stress_shapes sizes realloc aligned zero large mixed threads hand_over churn cached_exit
    many_arenas detour forks signals memory_limit)

# `options` are the library's in these tests, `profile` is how they are called.
function(add_stress_test profile options shape)
    set(prefix stress)
    if(ARENITE_DEBUG)
        set(prefix stress-debug)
    endif()
    set(name ${prefix}.${profile}.${shape})
    add_test(NAME ${name} COMMAND stress ${shape})
    set_tests_properties(${name} PROPERTIES LABELS preload TIMEOUT ${ARENITE_TEST_SECONDS})
    set_property(TEST ${name} PROPERTY ENVIRONMENT
        "LD_PRELOAD=$<TARGET_FILE:arenite_shared>" "ARENITE_OPTIONS=${options}")
endfunction()

function(add_stress_tests)
    find_package(Threads REQUIRED)
    file(GLOB sources CONFIGURE_DEPENDS stress/*.c)
    if(NOT TARGET arenite_shared)
        return()
    endif()
    add_outside_program(stress "${sources}")
    target_sources(stress PRIVATE support/require_preload.c)
    foreach(profile IN ITEMS default ptmalloc glibc hardened)
        foreach(shape IN LISTS stress_shapes)
            add_stress_test(${profile} profile=${profile} ${shape})
        endforeach()
    endforeach()
    foreach(shape IN ITEMS realloc aligned zero threads hand_over churn forks signals)
        add_stress_test(guards sample_guards=1/5 ${shape})
    endforeach()
endfunction()

# What runs a program while kernel calls fail, and the program made for it.
function(add_fault_programs)
    add_outside_program(inject fault/inject.c)
    add_outside_program(target fault/target.c)
    set_target_properties(inject target PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/fault)
endfunction()

# kind: how the archive is linked, `options` the flags that say so. "whole": all of it, asked for or
# not, as hosts of plugins do.
function(add_static_test source kind options)
    get_filename_component(name ${source} NAME_WE)
    set(target ${kind}_${name})
    set(archive ${PROJECT_BINARY_DIR}/libarenite.a)
    add_outside_program(${target} ${source})
    if(kind STREQUAL whole)
        set(archive -Wl,--whole-archive,${archive},--no-whole-archive)
    endif()
    target_link_libraries(${target} PRIVATE ${archive})
    target_link_options(${target} PRIVATE ${options})
    add_dependencies(${target} arenite_static)
    add_test(NAME static.${name}.${kind} COMMAND ${target})
    set_test_facts(static.${name}.${kind} static ${source} ${ARENITE_TEST_SECONDS})
endfunction()

function(add_static_tests)
    find_package(Threads REQUIRED)
    file(GLOB sources CONFIGURE_DEPENDS static/*.c static/*.cc)
    if(NOT TARGET arenite_static)
        return()
    endif()
    foreach(source IN LISTS sources)
        add_static_test(${source} static -static)
        add_static_test(${source} dynamic -pie)
        add_static_test(${source} whole -static)
    endforeach()
endfunction()

function(add_script_tests folder)
    file(GLOB scripts CONFIGURE_DEPENDS ${folder}/*.sh)
    string(REPLACE "/" "-" label ${folder})
    foreach(script IN LISTS scripts)
        get_filename_component(name ${script} NAME_WE)
        # lib*.sh are sourced by the others.
        if(name MATCHES "^lib")
            continue()
        endif()
        set(work ${CMAKE_CURRENT_BINARY_DIR}/scratch/${label}.${name})
        add_test(NAME ${label}.${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/support/in_empty_directory
            ${work} bash ${script})
        set_test_facts(${label}.${name} ${label} ${script} ${ARENITE_PROGRAM_SECONDS})
        set(environment "ARENITE_BUILD=${PROJECT_BINARY_DIR};ARENITE_SOURCE=${PROJECT_SOURCE_DIR}")
        set_property(TEST ${label}.${name} PROPERTY ENVIRONMENT ${environment})
        # Programs whose output is compared with a plain run's do so on the engine alone, too.
        file(STRINGS ${script} comparisons REGEX "same_output" LIMIT_COUNT 1)
        if(label STREQUAL programs AND comparisons)
            set(profiles ptmalloc hardened)
            if(name STREQUAL compilers) # minutes
                set(profiles ptmalloc)
            endif()
            foreach(profile IN LISTS profiles)
                add_test(NAME programs-${profile}.${name} COMMAND
                    ${CMAKE_CURRENT_SOURCE_DIR}/support/in_empty_directory ${work}-${profile} bash ${script})
                set_test_facts(programs-${profile}.${name} programs ${script} ${ARENITE_PROGRAM_SECONDS})
                set_property(TEST programs-${profile}.${name} PROPERTY ENVIRONMENT
                    ${environment} "ARENITE_TEST_PROFILE=${profile}")
            endforeach()
        endif()
    endforeach()
endfunction()

# Each check is a program of tidy/ that takes the source tree and the build tree.
function(add_tidy_tests)
    file(GLOB checks CONFIGURE_DEPENDS tidy/check_*.py)
    if(NOT TARGET arenite_shared)
        return()
    endif()
    add_dependencies(tests arenite_shared arenite_static prefixed)
    foreach(check IN LISTS checks)
        get_filename_component(name ${check} NAME_WE)
        string(REPLACE "check_" "" name ${name})
        add_test(NAME tidy.${name}
            COMMAND python3 ${check} ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
        set_test_facts(tidy.${name} tidy ${check} ${ARENITE_PROGRAM_SECONDS})
    endforeach()
endfunction()
