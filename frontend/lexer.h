/* What lexer and parser share: the state of one scan, and the values of tokens. */
#ifndef ADZE_FRONTEND_LEXER_H
#define ADZE_FRONTEND_LEXER_H

#include "frontend/ast.h"
#include "ir/base/str.h"

union token {
    const char *text;
    struct ast_name name;
    struct ast_number number;
    enum elem elem;
    struct ast_expr *expr;
    struct ast_exprs exprs;
    struct ast_args args;
    struct ast_arg *arg;
    struct ast_numbers *numbers;
    struct ast_call *call;
    struct ast_calls calls;
    struct ast_type *type;
    struct ast_target *target;
    struct ast_targets targets;
    struct ast_param *param;
    struct ast_params params;
    struct ast_stmt *stmt;
    struct ast_stmts stmts;
    struct ast_part *part;
    struct {
        struct ast_part *first, *last;
        uint32_t depth;
    } parts;
    struct {
        struct ast_expr *lo, *hi;
        bool inclusive;
    } range;
};

struct lexeme {
    int token;
    union token value;
    struct loc loc;
    bool first_on_line;
};

/* After a syntax error, tokens are dropped up to the next place where a statement can begin, and the token
 * SYNC stands before it: a new line that is not indented more than the one that the bad statement began on,
 * or the closing brace of the enclosing body. */
struct lexer {
    void *flex; /* yyscan_t */
    struct arena *arena;
    struct diag *diag;
    struct loc next;           /* of the next character */
    struct loc start;          /* of the token being scanned */
    struct lexeme current;     /* what the parser saw last */
    uint32_t braces, brackets; /* open ones */
    uint32_t line;             /* that the last token stood on */
    uint32_t indent;           /* column of the first token of the line that the statement began on */
    struct loc refused;        /* of the token that the last syntax error was about */
    bool recovering, again;    /* again: current is to be delivered once more */
    bool plan_next;            /* the token before was `plan` */
    bool stray;                /* the last closing brace closed nothing */
    bool too_deep;             /* said so already */
    struct str plan;           /* canonical text of the plan block so far */
    struct ast_file *out;
};

/* The next token for the parser. */
int lexer_next(union token *value, struct loc *loc, struct lexer *lexer);
/* The parser could not use the current token: the next one is SYNC. */
void lexer_recover(struct lexer *lexer);
/* Takes the text (which must stay) and frees what scanning took. */
void lexer_open(struct lexer *lexer, const char *text, size_t length);
void lexer_close(struct lexer *lexer);

#endif
