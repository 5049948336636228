// The .slo grammar. One rule per clause, so that an error can say how its clause reads; whether a clause is
// required or may stand only once is the checker's business.
parser grammar SloParser;

options { tokenVocab = SloLexer; }

program: item* EOF;

item
  : useSetting | paramSetting | tickSetting | letSetting | metricSetting
  | sourceDecl | receiverDecl | sloDecl | targetDecl | policyDecl | testDecl
  ;

// What `eval` reads.
query: condition EOF;

useSetting: USE path;
paramSetting: PARAM name IS name (DEFAULT (STRING | amount))?;
tickSetting: TICK amount (PHASE amount)?;
letSetting: LET name letParams? ASSIGN (burnBlock | condition);
letParams: LPAREN (name (COMMA name)*)? RPAREN;
metricSetting: METRIC name IS name (OF unit)? ((WITH | ONLY) labelList)?;
unit: name | EVENTS;

sourceDecl: SOURCE name IS name LBRACE sourceClause* RBRACE;
sourceClause: urlClause | everyClause | settleClause | timeoutClause | lookbackClause | semanticsClause;
urlClause: URL STRING+;
everyClause: EVERY amount;
settleClause: SETTLE amount;
timeoutClause: TIMEOUT amount;
lookbackClause: LOOKBACK amount;
semanticsClause: SEMANTICS amount;

receiverDecl: RECEIVER name IS name LBRACE receiverClause* RBRACE;
receiverClause: urlClause | secretClause | timeoutClause | heartbeatClause;
secretClause: SECRET name;
heartbeatClause: HEARTBEAT EVERY amount;

sloDecl: SLO name perLabels? LBRACE sloClause* RBRACE;
perLabels: PER labelList MAX amount;
sloClause
  : aboutClause | ownerClause | runbookClause | indicatorClause | objectiveClause | burnClause | floorClause
  | sloMissingClause | idleClause | pageClause | ticketClause | deferClause | trafficClause | coverageClause
  ;
aboutClause: ABOUT STRING;
ownerClause: OWNER STRING;
runbookClause: RUNBOOK STRING;
indicatorClause
  : INDICATOR side=(BAD | GOOD) expr OF expr               # countsIndicator
  | INDICATOR SHARE OF expr AT MOST amount                 # shareIndicator
  | INDICATOR side=(BAD | GOOD)? SLICES OF amount WHERE condition  # slicesIndicator
  ;
objectiveClause: OBJECTIVE amount OVER amount;
burnClause: BURN (burnBlock | path);
burnBlock: LBRACE burnRow+ RBRACE;
burnRow: severity amount (OVER | IN) amount AMP amount;
severity: PAGE | TICKET;
floorClause: FLOOR amount BAD;
sloMissingClause: MISSING (KEEP FOR amount THEN)? severity;
idleClause: IDLE (name | KEEP);
pageClause: PAGE name+;
ticketClause: TICKET name+;
deferClause: DEFER severity WHILE name ACTS AT MOST amount;
trafficClause: TRAFFIC amount SLASH name;
coverageClause: COVERAGE AT LEAST amount;

targetDecl: TARGET name IS name LBRACE targetClause* RBRACE;
targetClause: versionClause | deployedClause | actionClause | secretClause | timeoutClause;
versionClause: VERSION name STRING;
deployedClause: DEPLOYED METRIC condition;
actionClause: ACTION name IS name LBRACE name STRING (BODY LBRACE bodyField* RBRACE)? RBRACE;
bodyField: anyWord (STRING | amount);

policyDecl: POLICY name ON name perLabels? LBRACE policyClause* RBRACE;
policyClause
  : aboutClause | ownerClause | runbookClause | whenClause | untilClause | eventsClause | doClause | verifyClause
  | limitClause | cooldownClause | policyMissingClause | modeClause | repeatClause
  ;
whenClause: WHEN condition;
untilClause: UNTIL condition;
eventsClause: events;
events: EVENTS AT LEAST amount (AND amount BAD)?;
doClause: DO name;
verifyClause: VERIFY condition AFTER amount events? WITHIN amount (ELSE PAGE name STRING?)?;
limitClause: LIMIT amount PER amount;
cooldownClause: COOLDOWN amount;
policyMissingClause: MISSING (DO NOTHING | PAGE name);
modeClause: MODE name;
repeatClause: REPEAT AT MOST amount;

testDecl: TEST STRING LBRACE testClause* RBRACE;
testClause: givenClause | expectClause;
givenClause
  : GIVEN name matchers? givenPart*              # givenSeries
  | GIVEN name DOT anyWord AT amount             # givenEvent
  | GIVEN TARGET name FAILS name                 # givenTargetFails
  | GIVEN TARGET name ANSWERS AFTER amount       # givenTargetAnswers
  | GIVEN RECEIVER name FAILS                    # givenReceiverFails
  ;
givenPart
  : RATE MINUS? amount (SLASH name)?             # givenRate
  | VALUE MINUS? amount                          # givenValue
  | VALUES (MINUS? amount)+                      # givenValues
  | FROM moment                                  # givenFrom
  | UNTIL moment                                 # givenUntil
  | APPEARS AT moment                            # givenAppears
  | RESETS AT moment                             # givenResets
  | GAP FROM moment UNTIL moment                 # givenGap
  ;
moment: amount | name IS anyWord;
expectClause
  : EXPECT NO? severity TO name span?            # expectPage
  | EXPECT NO? name anyWord span?                # expectState
  ;
span: BETWEEN moment AND moment | AFTER moment | BEFORE moment | AT moment;

// Conditions and values. A hold (`for 3 ticks`) is only ever a suffix of a condition.
condition: expr hold?;
hold
  : FOR amount TICKS unknownBound?               # holdTicks
  | FOR amount unknownBound?                     # holdTime
  | IN amount OF amount TICKS unknownBound?      # holdOf
  ;
unknownBound: UNKNOWN AT MOST amount;

expr
  : <assoc=right> expr op=CARET matching? expr                             # binary
  | op=(MINUS | PLUS) expr                                                 # signed
  | expr op=(STAR | SLASH | MOD) matching? expr                            # binary
  | expr op=(PLUS | MINUS) matching? expr                                  # binary
  | expr op=DEFAULT expr                                                   # binary
  | expr op=(EQ | NE | LT | LE | GT | GE) matching? expr                   # binary
  | NOT expr                                                               # negation
  | expr op=(AND | UNLESS) matching? expr                                  # binary
  | expr op=OR matching? expr                                              # binary
  | operand                                                                # leaf
  ;

matching: op=(ON | IGNORING) labelList
  (side=(GROUP_LEFT | GROUP_RIGHT) ({_input->LA(1) == LPAREN}? labelList | {_input->LA(1) != LPAREN}?))?;

operand: primary suffix*;
suffix: LBRACKET amount (COLON amount?)? RBRACKET | OFFSET MINUS? amount;

primary
  : literal                                                                # literalPrimary
  | LPAREN condition RPAREN                                                # group
  | PERCENT OF primary                                                     # percentOf
  | (name | softWord) grouping LPAREN arguments RPAREN                     # call
  | (name | softWord) LPAREN arguments RPAREN grouping?                    # call
  | (name | softWord) matchers                                             # selector
  | matchers                                                               # selector
  | name                                                                   # reference
  | name (DOT anyWord)+ (LPAREN arguments RPAREN)?                         # member
  | softWord {_input->LA(1) == LBRACKET}?                                  # wordReference
  ;
grouping: op=(BY | WITHOUT) labelList;
arguments: (argument (COMMA argument)*)?;
argument
  : SINCE event (FOR amount)?                                              # sinceWindow
  | amount BEFORE event                                                    # beforeWindow
  | condition                                                              # plainArgument
  ;
event: DONE | name DOT anyWord;

matchers: LBRACE (matcher (COMMA matcher)* COMMA?)? RBRACE;
matcher: anyWord op=(ASSIGN | NE | MATCH | NOT_MATCH) (STRING | name);
labelList: LPAREN (anyWord (COMMA anyWord)* COMMA?)? RPAREN;

literal: NUMBER | DURATION | PERCENT | BYTES | STRING;
amount: NUMBER | DURATION | PERCENT | BYTES | name | LPAREN condition RPAREN;
path: name (DOT anyWord)*;
name: NAME | QUOTED;
anyWord: NAME | QUOTED | softWord | hardWord;

hardWord
  : AND | OR | UNLESS | NOT | MOD | DEFAULT | OFFSET | ON | IGNORING | BY | WITHOUT | GROUP_LEFT | GROUP_RIGHT
  | SINCE | OF | IN | AT | FOR
  ;
softWord
  : USE | PARAM | TICK | LET | METRIC | SOURCE | RECEIVER | SLO | TARGET | POLICY | TEST
  | ROLLOUT | EXPERIMENT | INTERLOCK | GATE | BUDGET | INSIGHT | FLAG
  | IS | PER | MAX | WITH | ONLY | PHASE | URL | EVERY | SETTLE | TIMEOUT | LOOKBACK | SECRET | HEARTBEAT
  | SEMANTICS | ABOUT | OWNER | RUNBOOK | INDICATOR | OBJECTIVE | BURN | FLOOR | MISSING | IDLE | PAGE | TICKET
  | DEFER | TRAFFIC | COVERAGE | BAD | GOOD | SHARE | SLICES | WHERE | OVER | KEEP | THEN | WHILE | ACTS | LEAST
  | MOST | VERSION | DEPLOYED | ACTION | BODY | WHEN | UNTIL | EVENTS | DO | NOTHING | VERIFY | AFTER | WITHIN
  | ELSE | LIMIT | COOLDOWN | MODE | REPEAT | TICKS | UNKNOWN | BEFORE | DONE | GIVEN | EXPECT | RATE | VALUE
  | VALUES | FROM | APPEARS | RESETS | GAP | FAILS | ANSWERS | BETWEEN | NO | TO
  ;
