/* The grammar of the language: tokens to a syntax tree (ast.h). What a statement may stand in, and what names mean, is
 * not looked at here. */
%require "3.6"
%define api.pure full
%define api.prefix {adze_parse_}
%define api.token.prefix {TOKEN_}
%define api.value.type {union token}
%define api.location.type {struct loc}
%define parse.error custom
%define parse.lac full
%locations
%param {struct lexer *lexer}

%code requires {
#include "frontend/lexer.h"
}

%code {
#include "frontend/ast_build.h"

#include <string.h>

#define YYLLOC_DEFAULT(now, rhs, n) ((now) = (n) ? YYRHSLOC(rhs, 1) : YYRHSLOC(rhs, 0))
#define YYMAXDEPTH 4000
#define YYMALLOC xmalloc
#define YYFREE free

#define adze_parse_lex lexer_next
static void adze_parse_error(const struct loc *loc, struct lexer *lexer, const char *message);
}

%token MODEL "'model'" WEIGHTS "'weights'" WEIGHT "'weight'" INPUT "'input'" OUTPUT "'output'" DIM "'dim'"
%token METADATA "'metadata'" PLAN "'plan'" INCLUDE "'include'" BLOCK "'block'" RETURN "'return'" REPEAT "'repeat'"
%token FUSE "'fuse'" IN "'in'" AS "'as'" AT "'at'" TRUE "'true'" FALSE "'false'" INF "'inf'" NAN "'nan'"
%token SYNC "end of the statement" NEWLINE "end of the line" BELOW "'..'" UP_TO "'..='"
%token <name> NAME "name" STRING "string" FORMAT "format string" DOT_NAME "'.name'" PLAN_WORD "word"
%token <name> PART "part of a type" SCHEDULE "'schedule'"
%token <number> NUMBER "number"
%token <elem> ELEM "element type"
%token END 0 "end of the text"

%left '+' '-'
%left '*' '/' '%'
%precedence NEGATIVE

%nterm <stmts> stmts
%nterm <stmt> stmt
%nterm <name> name dotted word plan_word place_word
%nterm <text> string
%nterm <expr> expr number call literal
%nterm <exprs> exprs expr_list results
%nterm <args> args arg_list
%nterm <arg> arg
%nterm <parts> path_parts
%nterm <part> path_part
%nterm <call> place made_by type_part
%nterm <calls> type_parts
%nterm <type> type
%nterm <target> target typed weight
%nterm <targets> targets
%nterm <params> params param_list
%nterm <param> param
%nterm <number> signed
%nterm <numbers> numbers number_list
%nterm <range> range
%nterm <stmts> outputs
%nterm <stmt> output

%%

file: stmts { lexer->out->stmts = $1; }

stmts: %empty { $$ = (struct ast_stmts){0}; }
     | stmts stmt { $$ = stmts_add($1, $2); }
     | stmts OUTPUT outputs { $$ = stmts_join($1, $3); }
     | stmts error SYNC { $$ = $1; yyerrok; }

stmt: targets '=' expr { $$ = stmt_new(lexer, AST_ASSIGN, @1, $3->depth); $$->assign.targets = $1; $$->assign.expr = $3; }
    | INPUT typed { $$ = stmt_new(lexer, AST_INPUT, @1, 0); $$->declare.target = $2; }
    | WEIGHT weight { $$ = stmt_new(lexer, AST_WEIGHT, @1, 0); $$->declare.target = $2; }
    | WEIGHT weight '=' made_by { $$ = stmt_new(lexer, AST_WEIGHT, @1, 0); $$->declare.target = $2; $$->declare.made_by = $4; }
    | WEIGHT weight '=' numbers { $$ = stmt_new(lexer, AST_WEIGHT, @1, 0); $$->declare.target = $2; $$->declare.numbers = $4; }
    | WEIGHTS string { $$ = stmt_new(lexer, AST_WEIGHTS, @2, 0); $$->weights.path = $2; }
    | WEIGHTS string AS name { $$ = stmt_new(lexer, AST_WEIGHTS, @2, 0); $$->weights.path = $2; $$->weights.prefix = $4.text; }
    | DIM name IN expr UP_TO expr { $$ = stmt_new(lexer, AST_DIM, @1, 0); $$->dim.name = $2; $$->dim.lo = $4; $$->dim.hi = $6; }
    | METADATA string '=' string { $$ = stmt_new(lexer, AST_METADATA, @1, 0); $$->metadata.key = $2; $$->metadata.value = $4; }
    | PLAN '{' plan '}' { $$ = stmt_plan(lexer, @1); }
    | MODEL name type_parts { $$ = stmt_new(lexer, AST_MODEL, @1, 0); $$->model.name = $2; $$->model.parts = $3; }
    | INCLUDE string { $$ = stmt_new(lexer, AST_INCLUDE, @2, 0); $$->include = $2; }
    | BLOCK name '(' params ')' '{' stmts '}' {
          $$ = stmt_new(lexer, AST_BLOCK, @2, $7.depth); $$->block.name = $2; $$->block.params = $4; $$->block.body = $7; }
    | REPEAT name IN range '{' stmts '}' {
          $$ = stmt_new(lexer, AST_REPEAT, @1, $6.depth); $$->repeat.index = $2; $$->repeat.lo = $4.lo;
          $$->repeat.hi = $4.hi; $$->repeat.inclusive = $4.inclusive; $$->repeat.body = $6; }
    | RETURN results { $$ = stmt_new(lexer, AST_RETURN, @1, $2.depth); $$->results = $2; }

range: expr BELOW expr { $$.lo = $1; $$.hi = $3; $$.inclusive = false; }
     | expr UP_TO expr { $$.lo = $1; $$.hi = $3; $$.inclusive = true; }

outputs: output { $$ = stmts_add((struct ast_stmts){0}, $1); }
       | outputs ',' output { $$ = stmts_add($1, $3); }
output: expr { $$ = stmt_new(lexer, AST_OUTPUT, @1, $1->depth); $$->output.expr = $1; }
      | name '=' expr { $$ = stmt_new(lexer, AST_OUTPUT, @1, $3->depth); $$->output.name = $1; $$->output.expr = $3; }

results: expr { $$ = exprs_add((struct ast_exprs){0}, $1); }
       | results ',' expr { $$ = exprs_add($1, $3); }

/* -- names -- */
name: NAME | STRING | FORMAT { $$ = $1; $$.format = true; }
string: STRING { $$ = $1.text; }

/* Names of attributes and arguments can also be reserved words. */
word: name
    | MODEL { $$ = reserved_name("model", @1); } | WEIGHTS { $$ = reserved_name("weights", @1); }
    | WEIGHT { $$ = reserved_name("weight", @1); } | INPUT { $$ = reserved_name("input", @1); }
    | OUTPUT { $$ = reserved_name("output", @1); } | DIM { $$ = reserved_name("dim", @1); }
    | METADATA { $$ = reserved_name("metadata", @1); } | PLAN { $$ = reserved_name("plan", @1); }
    | BLOCK { $$ = reserved_name("block", @1); } | REPEAT { $$ = reserved_name("repeat", @1); }
    | IN { $$ = reserved_name("in", @1); }

path_parts: %empty { $$.first = $$.last = NULL; $$.depth = 0; }
          | path_parts path_part {
                $$ = $1;
                *($$.first ? &$$.last->next : &$$.first) = $2;
                $$.last = $2;
                if ($2->index && $2->index->depth > $$.depth) $$.depth = $2->index->depth; }
path_part: DOT_NAME { $$ = part_new(lexer, $1, NULL); }
         | '.' STRING { $$ = part_new(lexer, $2, NULL); }
         | '.' FORMAT { $$ = part_new(lexer, $2, NULL); }
         | '[' expr ']' { $$ = part_new(lexer, (struct ast_name){0}, $2); }

/* -- declarations -- */
targets: target { $$ = (struct ast_targets){$1, $1, 1}; }
       | targets ',' target { $$ = targets_add($1, $3); }
target: name { $$ = target_new(lexer, $1, NULL, NULL); } | typed
typed: name ':' type { $$ = target_new(lexer, $1, $3, NULL); }
     | name ':' type place { $$ = target_new(lexer, $1, $3, $4); }
weight: dotted ':' type { $$ = target_new(lexer, $1, $3, NULL); }
      | dotted ':' type place { $$ = target_new(lexer, $1, $3, $4); }
dotted: name
      | dotted DOT_NAME { $$ = name_joined(lexer, $1, $2); }
      | dotted '.' STRING { $$ = name_joined(lexer, $1, $3); }

type: ELEM '[' exprs ']' type_parts { $$ = type_new(lexer, $1, @1, $3, $5); }
type_parts: %empty { $$ = (struct ast_calls){0}; }
          | type_parts type_part { $$ = calls_add(lexer, $1, $2); }
type_part: PART '(' args ')' { $$ = call_new(lexer, $1, $3); }
place: AT place_word '(' args ')' { $$ = call_new(lexer, $2, $4); }
place_word: NAME | PART
          | INPUT { $$ = reserved_name("input", @1); }
          | OUTPUT { $$ = reserved_name("output", @1); }
          | WEIGHTS { $$ = reserved_name("weights", @1); }
made_by: NAME '(' args ')' { $$ = call_new(lexer, $1, $3); }

params: %empty { $$ = (struct ast_params){0}; } | param_list optional_comma
param_list: param { $$ = (struct ast_params){$1, $1}; }
          | param_list ',' param { $$ = params_add($1, $3); }
param: name { $$ = param_new(lexer, $1, NULL); }
     | name '=' expr { $$ = param_new(lexer, $1, $3); }
     | name '=' ELEM { $$ = param_new(lexer, $1, expr_elem(lexer, @3, $3)); }
optional_comma: %empty | ','

/* -- expressions -- */
exprs: %empty { $$ = (struct ast_exprs){0}; } | expr_list optional_comma
expr_list: expr { $$ = exprs_add((struct ast_exprs){0}, $1); }
         | expr_list ',' expr { $$ = exprs_add($1, $3); }

args: %empty { $$ = (struct ast_args){0}; } | arg_list optional_comma
arg_list: arg { $$ = args_add((struct ast_args){0}, $1); }
        | arg_list ',' arg { $$ = args_add($1, $3); }
arg: expr { $$ = arg_new(lexer, (struct ast_name){0}, $1); }
   | ELEM { $$ = arg_new(lexer, (struct ast_name){0}, expr_elem(lexer, @1, $1)); }
   | word '=' expr { $$ = arg_new(lexer, $1, $3); }
   | word '=' ELEM { $$ = arg_new(lexer, $1, expr_elem(lexer, @3, $3)); }

expr: number
    | literal
    | call
    | TRUE { $$ = expr_bool(lexer, @1, true); }
    | FALSE { $$ = expr_bool(lexer, @1, false); }
    | name path_parts { $$ = expr_path(lexer, $1, $2.first, $2.depth, false); }
    | '@' name path_parts { $$ = expr_path(lexer, $2, $3.first, $3.depth, true); }
    | '[' exprs ']' { $$ = expr_list(lexer, @1, $2); }
    | '(' expr ')' { $$ = $2; }
    | '-' expr %prec NEGATIVE { $$ = expr_negate(lexer, @1, $2); }
    | expr '+' expr { $$ = expr_binary(lexer, @2, '+', $1, $3); }
    | expr '-' expr { $$ = expr_binary(lexer, @2, '-', $1, $3); }
    | expr '*' expr { $$ = expr_binary(lexer, @2, '*', $1, $3); }
    | expr '/' expr { $$ = expr_binary(lexer, @2, '/', $1, $3); }
    | expr '%' expr { $$ = expr_binary(lexer, @2, '%', $1, $3); }

number: NUMBER { $$ = expr_number(lexer, @1, $1); }
      | INF { $$ = expr_number(lexer, @1, number_inf()); }
      | NAN { $$ = expr_number(lexer, @1, number_nan()); }

call: name path_parts '(' args ')' { $$ = expr_call(lexer, @1, name_of_path(lexer, $1, $2.first), $4); }
    | name path_parts '(' args ')' SCHEDULE '(' args ')' {
          $$ = expr_call(lexer, @1, name_of_path(lexer, $1, $2.first), $4); expr_schedule(lexer, $$, $8); }
    | PART '(' args ')' { $$ = expr_call(lexer, @1, $1, $3); }
    | FUSE '(' args ')' '{' stmts '}' {
          $$ = expr_call(lexer, @1, reserved_name("fuse", @1), $3); expr_body(lexer, $$, $6); }
    | FUSE '(' args ')' '{' stmts '}' SCHEDULE '(' args ')' {
          $$ = expr_call(lexer, @1, reserved_name("fuse", @1), $3); expr_body(lexer, $$, $6);
          expr_schedule(lexer, $$, $10); }

/* -- literals -- */
literal: ELEM signed { $$ = expr_scalar(lexer, @1, $1, $2, NULL); }
       | ELEM signed place { $$ = expr_scalar(lexer, @1, $1, $2, $3); }
       | type numbers { $$ = expr_tensor(lexer, @1, $1, $2, NULL); }
       | type numbers place { $$ = expr_tensor(lexer, @1, $1, $2, $3); }
numbers: '{' '}' { $$ = numbers_new(lexer); }
       | '{' number_list optional_comma '}' { $$ = $2; }
number_list: signed { $$ = numbers_add(lexer, numbers_new(lexer), $1); }
           | number_list ',' signed { $$ = numbers_add(lexer, $1, $3); }
signed: NUMBER
      | '-' NUMBER { $$ = number_negative($2); }
      | INF { $$ = number_inf(); }
      | '-' INF { $$ = number_negative(number_inf()); }
      | NAN { $$ = number_nan(); }
      | TRUE { $$ = (struct ast_number){.integer = 1}; }
      | FALSE { $$ = (struct ast_number){0}; }

/* -- the plan: kept as text, in one spelling -- */
plan: plan_lines | plan_lines plan_line { str_add_char(&lexer->plan, '\n'); }
plan_lines: %empty
          | plan_lines NEWLINE
          | plan_lines plan_line NEWLINE { str_add_char(&lexer->plan, '\n'); }
          | plan_lines error SYNC { yyerrok; }
plan_line: plan_head plan_items
         | plan_word STRING { plan_add(lexer, "", $1); plan_add(lexer, " ", quoted_name($2)); }
plan_head: plan_word ':' { plan_add(lexer, "", $1); str_add_char(&lexer->plan, ':'); }
plan_items: plan_item | plan_items plan_comma plan_item
plan_comma: ',' { str_add_char(&lexer->plan, ','); }
plan_item: plan_key plan_values
plan_key: plan_word { plan_add(lexer, " ", $1); }
plan_values: %empty | plan_values plan_value
plan_value: PLAN_WORD { plan_add(lexer, " ", $1); }
          | PLAN_WORD '%' { plan_add(lexer, " ", $1); str_add_char(&lexer->plan, '%'); }
          | STRING { plan_add(lexer, " ", quoted_name($1)); }
plan_word: PLAN_WORD | STRING { $$ = quoted_name($1); }

%%

/* Names what stands there: a word as it was written, anything else by its token. */
static void describe(const struct lexer *lexer, yysymbol_kind_t kind, struct str *out) {
    switch (kind) {
    case YYSYMBOL_NAME:
    case YYSYMBOL_PART:
    case YYSYMBOL_PLAN_WORD:
        str_printf(out, "'%.60s'", lexer->current.value.name.text);
        break;
    case YYSYMBOL_DOT_NAME:
        str_printf(out, "'.%.60s'", lexer->current.value.name.text);
        break;
    case YYSYMBOL_ELEM:
        str_printf(out, "'%s'", elem_name(lexer->current.value.elem));
        break;
    default:
        str_add(out, yysymbol_name(kind));
    }
}

/* -- what was expected: single tokens, or the two large groups by name -- */
static bool continues_expression(yysymbol_kind_t kind) {
    static const char operators[] = "'+''-''*''/''%''.''['('";
    const char *name = yysymbol_name(kind);
    return kind == YYSYMBOL_DOT_NAME || kind == YYSYMBOL_SCHEDULE || kind == YYSYMBOL_AT ||
           (strlen(name) == 3 && *name == '\'' && strstr(operators, name));
}

static bool begins_expression(yysymbol_kind_t kind) {
    switch (kind) {
    case YYSYMBOL_NAME:
    case YYSYMBOL_STRING:
    case YYSYMBOL_FORMAT:
    case YYSYMBOL_NUMBER:
    case YYSYMBOL_ELEM:
    case YYSYMBOL_PART:
    case YYSYMBOL_FUSE:
    case YYSYMBOL_TRUE:
    case YYSYMBOL_FALSE:
    case YYSYMBOL_INF:
    case YYSYMBOL_NAN:
        return true;
    default:
        return !strcmp(yysymbol_name(kind), "'@'") || !strcmp(yysymbol_name(kind), "'('");
    }
}

static bool is_reserved(yysymbol_kind_t kind) {
    return kind >= YYSYMBOL_MODEL && kind <= YYSYMBOL_AT;
}

static bool contains(const yysymbol_kind_t *kinds, int count, yysymbol_kind_t kind) {
    for (int i = 0; i < count; i++)
        if (kinds[i] == kind) return true;
    return false;
}

static void add_expected(const yypcontext_t *context, struct str *out) {
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *text[YYNTOKENS + 2];
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS), shown = 0;
    bool statement = contains(kinds, count, YYSYMBOL_RETURN);
    bool expression = !statement && contains(kinds, count, YYSYMBOL_NUMBER) && contains(kinds, count, YYSYMBOL_NAN) &&
                      contains(kinds, count, YYSYMBOL_FUSE);
    for (int i = 0; i < count; i++) {
        if ((statement || expression) && (begins_expression(kinds[i]) || is_reserved(kinds[i]))) continue;
        if (!continues_expression(kinds[i])) text[shown++] = yysymbol_name(kinds[i]);
    }
    if (expression) text[shown++] = "an expression";
    if (statement) text[shown++] = "a statement";
    enum { LISTED = 6 };
    for (int i = 0; i < shown && shown <= LISTED; i++)
        str_printf(out, "%s%s", !i ? ", expected " : i + 1 < shown ? ", " : " or ", text[i]);
}

/* "unexpected X, expected A, B or C": what is expected is said as long as that is short. */
static int yyreport_syntax_error(const yypcontext_t *context, struct lexer *lexer) {
    struct str text = {0};
    str_add(&text, "unexpected ");
    describe(lexer, yypcontext_token(context), &text);
    add_expected(context, &text);
    diag_error(lexer->diag, *yypcontext_location(context), "%s", str_text(&text));
    str_free(&text);
    lexer_recover(lexer);
    return 0;
}

/* Only called when the parser's stack is full. */
static void adze_parse_error(const struct loc *loc, struct lexer *lexer, const char *message) {
    (void)message;
    diag_error(lexer->diag, *loc, "nested too deeply");
}
