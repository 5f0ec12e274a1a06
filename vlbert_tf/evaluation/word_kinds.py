"""Kinds of words, for telling which of them a model finds."""

# Closed classes of English: articles, pronouns, prepositions, conjunctions,
# auxiliaries.
_FUNCTION_WORDS = frozenset(
  """
  a an the this that these those some any each every no all both another
  i me my you your he him his she her it its we us our they them their who
  whom whose which what someone something there
  in on at by for with from to of off into onto over under above below behind
  beside between near next through across around along against during before
  after about up down out inside outside while as than like
  and or but nor so if because when where
  is are was were be been being am do does did has have had can could will
  would may might must shall should not
  """.split()
)
_NUMBERS = frozenset(
  'zero one two three four five six seven eight nine ten eleven twelve'.split()
)


def word_kind(piece: str) -> str:
  """Which kind of word a word piece is.

  Args:
    piece: of BERT's vocabulary, lower case.

  Returns:
    `rest of a word` (##ing), `number`, `function word`, `punctuation`, or
    `content word`.
  """
  if piece.startswith('##'):
    return 'rest of a word'
  if piece.isdigit() or piece in _NUMBERS:
    return 'number'
  if piece in _FUNCTION_WORDS:
    return 'function word'
  return 'content word' if any(map(str.isalnum, piece)) else 'punctuation'
