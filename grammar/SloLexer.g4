// Tokens of the .slo language. Words of clauses are tokens of their own, so that the parser knows where a
// clause begins without separators; `softWord` in the parser lists those that may still name things.
lexer grammar SloLexer;

channels { COMMENTS }

// Settings and declarations
USE: 'use'; PARAM: 'param'; TICK: 'tick'; LET: 'let'; METRIC: 'metric';
SOURCE: 'source'; RECEIVER: 'receiver'; SLO: 'slo'; TARGET: 'target'; POLICY: 'policy'; TEST: 'test';

// In the design, not in this version
ROLLOUT: 'rollout'; EXPERIMENT: 'experiment'; INTERLOCK: 'interlock'; GATE: 'gate'; BUDGET: 'budget';
INSIGHT: 'insight'; FLAG: 'flag';

// Hard words: they never head an expression
AND: 'and'; OR: 'or'; UNLESS: 'unless'; NOT: 'not'; MOD: 'mod'; DEFAULT: 'default'; OFFSET: 'offset'; ON: 'on';
IGNORING: 'ignoring'; BY: 'by'; WITHOUT: 'without'; GROUP_LEFT: 'group_left'; GROUP_RIGHT: 'group_right';
SINCE: 'since'; OF: 'of'; IN: 'in'; AT: 'at'; FOR: 'for';

// Words of clauses
IS: 'is'; PER: 'per'; MAX: 'max'; WITH: 'with'; ONLY: 'only'; PHASE: 'phase';
URL: 'url'; EVERY: 'every'; SETTLE: 'settle'; TIMEOUT: 'timeout'; LOOKBACK: 'lookback'; SECRET: 'secret';
HEARTBEAT: 'heartbeat'; SEMANTICS: 'semantics';
ABOUT: 'about'; OWNER: 'owner'; RUNBOOK: 'runbook'; INDICATOR: 'indicator'; OBJECTIVE: 'objective';
BURN: 'burn'; FLOOR: 'floor'; MISSING: 'missing'; IDLE: 'idle'; PAGE: 'page'; TICKET: 'ticket'; DEFER: 'defer';
TRAFFIC: 'traffic'; COVERAGE: 'coverage';
BAD: 'bad'; GOOD: 'good'; SHARE: 'share'; SLICES: 'slices'; WHERE: 'where'; OVER: 'over'; KEEP: 'keep';
THEN: 'then'; WHILE: 'while'; ACTS: 'acts'; LEAST: 'least'; MOST: 'most';
VERSION: 'version'; DEPLOYED: 'deployed'; ACTION: 'action'; BODY: 'body';
WHEN: 'when'; UNTIL: 'until'; EVENTS: 'events'; DO: 'do'; NOTHING: 'nothing'; VERIFY: 'verify'; AFTER: 'after';
WITHIN: 'within'; ELSE: 'else'; LIMIT: 'limit'; COOLDOWN: 'cooldown'; MODE: 'mode'; REPEAT: 'repeat';
TICKS: 'ticks'; UNKNOWN: 'unknown'; BEFORE: 'before'; DONE: 'done';
GIVEN: 'given'; EXPECT: 'expect'; RATE: 'rate'; VALUE: 'value'; VALUES: 'values'; FROM: 'from';
APPEARS: 'appears'; RESETS: 'resets'; GAP: 'gap'; FAILS: 'fails'; ANSWERS: 'answers';
BETWEEN: 'between'; NO: 'no'; TO: 'to';

// Amounts. A number that runs into anything else is one bad token with its own message.
DURATION: (DIGITS ('ms' | 's' | 'm' | 'h' | 'd' | 'w'))+;
PERCENT: NUM '%';
BYTES: NUM ('B' | 'kB' | 'MB' | 'GB' | 'TB' | 'KiB' | 'MiB' | 'GiB' | 'TiB');
NUMBER: NUM ('k' | 'M' | 'G')?;
BAD_NUMBER: [0-9] ([0-9A-Za-z_.%] | [eE] [+-] [0-9])*;
fragment DIGITS: [0-9]+;
fragment NUM: [0-9] [0-9_]* ('.' [0-9] [0-9_]*)? ([eE] [+-]? [0-9]+)?;

NAME: WORD (':' WORD)*;
fragment WORD: [A-Za-z_] [A-Za-z0-9_]*;
QUOTED: '`' ~[`\r\n]+ '`';
STRING: '"' DOUBLE '"' | '\'' SINGLE '\'';
BAD_STRING: '"' DOUBLE | '\'' SINGLE | '`' ~[`\r\n]*;
fragment DOUBLE: (~["\\\r\n] | '\\' ~[\r\n])*;
fragment SINGLE: (~['\\\r\n] | '\\' ~[\r\n])*;

LBRACE: '{'; RBRACE: '}'; LPAREN: '('; RPAREN: ')'; LBRACKET: '['; RBRACKET: ']';
EQ: '=='; NE: '!='; LE: '<='; GE: '>='; LT: '<'; GT: '>';
ASSIGN: '='; MATCH: '=~'; NOT_MATCH: '!~';
PLUS: '+'; MINUS: '-'; STAR: '*'; SLASH: '/'; CARET: '^'; AMP: '&'; COMMA: ','; DOT: '.';
COLON: ':'; SEMICOLON: ';'; PERCENT_SIGN: '%'; AT_SIGN: '@';

COMMENT: '#' ~[\n]* -> channel(COMMENTS);
SPACE: [ \t\r\n]+ -> skip;
BAD_CHARACTER: .;
