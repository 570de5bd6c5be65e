"""The insider: an administrator with nearly everything, told while it really happens.

``loot``    what the administrator holds: the store, the hospital's disk, two keyholders
``ways``    five ways to read what was not granted, each really tried
``outage``  keyholders that are stopped and come back; journals that are edited and cut
``wallet``  the patient's revocation by another program, and the page
``story``   all of it in order
"""

from consentry.cli.insider.story import tell

__all__ = ["tell"]
