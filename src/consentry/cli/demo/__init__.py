"""The main job as a story, told while it really happens.

``stage``   the chain, the keyholders, the store and the people
``scenes``  what they do, and what is refused
``ending``  the audit, the tampering, what it cost, the page
"""

from consentry.cli.demo.story import tell

__all__ = ["tell"]
