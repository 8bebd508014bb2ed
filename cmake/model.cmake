# The model kernel: an archive that the tool, its tests and its bench link. It takes its lists of
# blocks from the buddy core and nothing else of the library; unit tests link the library beside it.
#
# With os_model*.c in place of two files of src/os, the library itself runs on the model:
# arenite_on_model, for tests and for replaying.

file(GLOB ARENITE_MODEL_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/model/*.c)
set(ARENITE_OS_MODEL_SOURCES ${ARENITE_MODEL_SOURCES})
list(FILTER ARENITE_OS_MODEL_SOURCES INCLUDE REGEX "/os_model[a-z_]*\\.c$")
list(FILTER ARENITE_MODEL_SOURCES EXCLUDE REGEX "/os_model[a-z_]*\\.c$")

if(ARENITE_MODEL_SOURCES)
    find_package(Threads REQUIRED)
    add_library(arenite_model STATIC EXCLUDE_FROM_ALL ${ARENITE_MODEL_SOURCES}
        ${PROJECT_SOURCE_DIR}/src/pages/buddy.c)
    target_link_libraries(arenite_model PRIVATE arenite_library_flags arenite_strict)
    target_link_libraries(arenite_model PUBLIC Threads::Threads)

    set(without_linux "EXCLUDE,/os_linux_(memory|clock).c")
    add_library(arenite_on_model STATIC EXCLUDE_FROM_ALL ${ARENITE_OS_MODEL_SOURCES}
        $<FILTER:$<TARGET_OBJECTS:arenite_prefixed_objects>,${without_linux}>)
    target_link_libraries(arenite_on_model PRIVATE arenite_library_flags arenite_strict)
    target_link_libraries(arenite_on_model PUBLIC arenite_model)
endif()
