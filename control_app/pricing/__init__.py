"""From a model's annotation to what is published: offers, price versions, the price list."""
