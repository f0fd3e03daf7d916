"""The grammar of the model language, shipped as package data: ``semgllamm.lark``."""
