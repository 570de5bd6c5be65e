"""The drill: machines fail and people cheat, with real processes, and each line says what they got.

``tries``    what was tried, by whom, and what came of it; measured, never written down beforehand
``machines`` keyholders that are killed, frozen and started again
``entries``  asking for a key without an entry of one's own, for this record, now
``keepers``  keyholders that give wrong shares
``dealers``  a contributor that deals what does not fit
``books``    journals that are rewritten, cut, edited and forked; a statement that is out of date
``reorgs``   entries whose block is replaced
``changes``  a newcomer that replaces one of them, and who would profit from that
``story``    all of it in order
"""

from consentry.cli.drill.story import SCENES, tell

__all__ = ["SCENES", "tell"]
