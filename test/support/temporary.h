/* A folder for the files of one test. */
#ifndef ADZE_TEST_SUPPORT_TEMPORARY_H
#define ADZE_TEST_SUPPORT_TEMPORARY_H

struct temporary {
    char *folder;
    char **paths; /* handed out */
    unsigned count;
};

struct temporary temporary_make(void);
/* The path of a name in the folder; valid until the folder is removed. */
const char *temporary_path(struct temporary *temporary, const char *name);
/* Removes the folder and the files in it. */
void temporary_remove(struct temporary *temporary);

#endif
